// Sampling n responses a prompt with continuous replacement: a finished response leaves the batch at once, and the
// next one enters. A long prompt is prefilled in chunks with decoding steps between them. A prompt's cache stays until
// its last response is done. A prompt or a response enters only when memory is enough for all that live to grow to
// max_tokens.
#pragma once

#include "model/batch.h"
#include "model/qwen2_5_vl/policy.h"
#include "rollout/sampler.h"

namespace papo {

struct GenerateSpec {
  SamplingSpec sampling;
  int64_t n = 1;
  int64_t max_tokens = 1;                    // per response
  std::vector<int64_t> stop_ids;             // a response ends with the first of them, which it keeps
  std::vector<int64_t> forbidden_ids;        // never sampled
  uint64_t seed = 0, purpose = 0, step = 0;  // with example id, response index and position: the random numbers
  int64_t max_concurrent = 256;              // responses decoded together
  int64_t prefill_tokens = 8192;             // prompt rows a pass, and between two decoding steps
};

struct SampledResponse {
  std::vector<int64_t> ids;
  std::vector<float> log_probs;  // of each id under softmax(logits / temperature); at temperature 0 of the logits
  bool stopped = false;          // by a stop id, not by max_tokens
};

// [prompts][n]. Responses are a function of the weights, the prompt and the spec alone, whatever else is decoded.
// Progress: finished responses of all.
std::vector<std::vector<SampledResponse>> generate(const Policy& policy, const std::vector<PromptInput>& prompts,
                                                   const GenerateSpec& spec, const Watch& watch);

}  // namespace papo
