// Comparison of a policy with golden values of an independent implementation, for one prompt and one response.
#pragma once

#include "model/qwen2_5_vl/policy.h"

namespace papo {

struct GoldenCase {
  PromptInput prompt;
  std::vector<int64_t> response;
  at::Tensor image_embeds_MD;  // undefined without pictures
  at::Tensor logits_TV;        // of prompt and response
  at::Tensor log_probs_R, entropy_R;
};

struct TensorProbe {
  std::string name;
  double norm;   // of the gradient
  double probe;  // sum of gradient[i] * cos(i): a permuted or sign-flipped gradient changes it
};

struct VerifyReport {
  double image_embeds = 0, logits = 0, log_probs = 0, entropy = 0;  // largest |difference|
  double decode_logits = 0;        // cached decode, the response fed token by token, alone and beside two others
  std::vector<TensorProbe> grads;  // of -mean(log prob) + 0.1 mean(entropy) over the response
};

// The policy must have been opened with gradients; they are left zeroed.
VerifyReport verify_case(Policy& policy, const GoldenCase& golden);

}  // namespace papo
