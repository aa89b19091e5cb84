// REINFORCE++ advantages that differ from token to token, because KL penalties inside the response are part of the
// reward. Without them a response has one number, and lib/algorithm/advantage.ts computes it.
#pragma once

#include "rl/kl.h"

namespace papo {

struct ReinforcePlusPlusBatch {
  std::vector<double> rewards;  // [n] overall reward of each response, on its last token
  std::vector<int64_t> response_lengths;
  at::Tensor kl_R;     // [R] KL of the policy before the update to the reference, subtracted from every token's reward
  double kl_coef = 0;  // of kl_R
};

// [R] float32 advantages on the device of kl_R: reward-to-go from each token (no discount), whitened over all tokens
// of the batch: (value - mean) / sqrt(variance + 1e-8), variance with n - 1; one token alone gives 0. The batch must
// be the whole rollout batch. Source: compute_reinforce_plus_plus_outcome_advantage in the reference's core_algos.py.
at::Tensor reinforce_plus_plus_advantages(const ReinforcePlusPlusBatch& batch);

}  // namespace papo
