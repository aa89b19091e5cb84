// The gradient of the objective over an optimizer batch, added up over micro-batches of whole groups.
#pragma once

#include "model/qwen2_5_vl/policy.h"
#include "rl/objective.h"
#include "rl/recompute_choice.h"

namespace papo {

// Log-probs of a batch's response tokens under fixed weights, in packing order.
struct LogProbs {
  at::Tensor log_probs_R;
  at::Tensor entropy_R;  // over the vocabulary; undefined unless asked for
  std::vector<int64_t> response_lengths;
};

struct UpdateInputs {
  int64_t first_group = 0, last_group = 0;  // the optimizer batch: groups [first, last) of the batch
  double temperature = 1.0;
  std::shared_ptr<const LogProbs> old_log_probs;  // of the whole batch; null: the weights are those of the rollout,
                                                  // so old is the new log-prob without its gradient
  std::shared_ptr<const LogProbs> ref_log_probs;  // null without a reference
  std::shared_ptr<const LogProbs> aug_log_probs;  // null without PAPO terms or with `recompute`
  const MaskedView* recompute = nullptr;          // run the masked branch with gradient
  at::Tensor advantages_R;                        // per-token advantages of the whole batch; undefined: in the weights
  ResponseWeights weights;                        // of the optimizer batch's responses
  int64_t max_tokens = 16384;                     // rows a micro-batch
  int64_t chunk_bytes = HeadOptions{}.chunk_bytes;  // of logits that exist at a time
};

struct UpdateReport {
  std::vector<std::pair<std::string, double>> metrics;
  std::vector<double> perception_kl;  // per response
  int64_t num_tokens = 0;
  Recomputed recomputed;      // the most of any micro-batch
  double predicted_peak = 0;  // most bytes of tensors at a time by the memory model, all of the process's counted
};

// Adds the gradient of the objective to the policy's; when it throws midway, the policy's gradient is zeroed.
UpdateReport forward_backward(Policy& policy, const GroupBatch& batch, const ObjectiveSpec& spec,
                              const UpdateInputs& inputs, const Watch& watch);

}  // namespace papo
