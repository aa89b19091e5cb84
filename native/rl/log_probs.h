// Log-probs of a batch's response tokens under fixed weights, in packing order.
#pragma once

#include "model/qwen2_5_vl/policy.h"

namespace papo {

struct LogProbs {
  at::Tensor log_probs_R;
  at::Tensor entropy_R;  // over the vocabulary; undefined unless asked for
  std::vector<int64_t> response_lengths;
};

// What a pass over the batch gave.
std::shared_ptr<LogProbs> log_probs_of(const GroupBatch& batch, const TokenScores& scores);

// What the rollout gave: one row a response, as float32 or, for a float64 policy, float64. E_SHAPE when the rows are
// not those of the batch.
std::shared_ptr<LogProbs> given_log_probs(const Policy& policy, const GroupBatch& batch,
                                          const std::vector<std::vector<float>>& rows);

}  // namespace papo
