// Per-token KL between two scorings of the same token ids, estimated or over the vocabulary, and totals per response.
#pragma once

#include <string>
#include <vector>

#include "core/torch_compat.h"

namespace papo {

enum class KlEstimator { kK1, kAbs, kMse, kK3, kFull };

// "k1", "abs", "mse", "k3" (the reference's `kl` and `low_var_kl`) or "full". E_VALUE for anything else.
KlEstimator parse_kl_estimator(const std::string& name, const char* op);

// [R] estimates, differentiable in both arguments. With x = log_probs_R, y = other_R:
// kK1 x - y; kAbs |x - y|; kMse (x - y)^2 / 2; kK3 clamp(e^s - s - 1, -10, 10) with s = clamp(y - x, -20, 20),
// whose gradient is 0 outside s in (-11, 2.6109). E_VALUE for kFull, which needs whole distributions. Source:
// compute_kl in the reference's core_algos.py.
at::Tensor kl_estimate(const at::Tensor& log_probs_R, const at::Tensor& other_R, KlEstimator estimator);

// What a KL term is made of.
struct KlTokens {
  at::Tensor log_probs_R, other_R;
  at::Tensor full_R;  // over the vocabulary (native/ops/kl_divergence.h), read by kFull alone
};
at::Tensor kl_of(const KlTokens& tokens, KlEstimator estimator);

struct KlPerResponse {
  std::vector<double> sums;   // over the response's tokens
  std::vector<double> means;  // 0 for an empty response
};

// Of a packed batch: the penalty of the reward (sums) and the adaptive controller's input (means). No gradient.
KlPerResponse kl_per_response(const at::Tensor& kl_R, const std::vector<int64_t>& response_lengths);

}  // namespace papo
