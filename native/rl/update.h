// The gradient of the objective over an optimizer batch, added up over micro-batches of whole groups.
#pragma once

#include "rl/log_probs.h"
#include "rl/objective.h"
#include "rl/recompute_choice.h"

namespace papo {

struct UpdateInputs {
  int64_t first_group = 0, last_group = 0;  // the optimizer batch: groups [first, last) of the batch
  double temperature = 1.0;
  std::shared_ptr<const LogProbs> old_log_probs;      // of the whole batch; null: the weights are those of the rollout,
                                                      // so old is the new log-prob without its gradient
  std::shared_ptr<const LogProbs> ref_log_probs;      // null without a reference
  std::shared_ptr<const LogProbs> aug_log_probs;      // null without PAPO terms or with `recompute`
  std::shared_ptr<const LogProbs> rollout_log_probs;  // to measure the policy's own against; null: nothing measured
  std::shared_ptr<const Policy> reference;  // run beside the policy for a KL to it over the vocabulary; else null
  const MaskedView* recompute = nullptr;    // run the masked branch with gradient
  at::Tensor advantages_R;                  // per-token advantages of the whole batch; undefined: in the weights
  ResponseWeights weights;                  // of the optimizer batch's responses
  int64_t max_tokens = 16384;               // rows a micro-batch
  int64_t chunk_bytes = HeadOptions{}.chunk_bytes;  // of logits that exist at a time
};

// |log-prob of the update's pass - log-prob of the rollout| over the optimizer batch's tokens, nats; 0 without tokens.
struct RolloutDifference {
  double max = 0, mean = 0;
};

struct UpdateReport {
  std::vector<std::pair<std::string, double>> metrics;
  std::vector<double> perception_kl;  // per response
  int64_t num_tokens = 0;
  Recomputed recomputed;      // the most of any micro-batch
  double predicted_peak = 0;  // most bytes of tensors at a time by the memory model, all of the process's counted
  std::optional<RolloutDifference> rollout_difference;  // with rollout_log_probs
};

// Adds the gradient of the objective to the policy's; when it throws midway, the policy's gradient is zeroed.
UpdateReport forward_backward(Policy& policy, const GroupBatch& batch, const ObjectiveSpec& spec,
                              const UpdateInputs& inputs, const Watch& watch);

}  // namespace papo
