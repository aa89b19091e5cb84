#include "rl/kl.h"

#include "core/error.h"
#include "rl/ragged.h"

namespace papo {
namespace {

constexpr double kMaxLogRatio = 20.0;
constexpr double kMaxK3 = 10.0;

at::Tensor k3(const at::Tensor& log_probs_R, const at::Tensor& other_R) {
  const at::Tensor s_R = at::clamp(other_R - log_probs_R, -kMaxLogRatio, kMaxLogRatio);
  return at::clamp(at::exp(s_R) - s_R - 1, -kMaxK3, kMaxK3);
}

}  // namespace

KlEstimator parse_kl_estimator(const std::string& name, const char* op) {
  if (name == "k1") return KlEstimator::kK1;
  if (name == "abs") return KlEstimator::kAbs;
  if (name == "mse") return KlEstimator::kMse;
  if (name == "k3") return KlEstimator::kK3;
  if (name == "full") return KlEstimator::kFull;
  throw Error("E_VALUE", op, "KL estimator: expected k1, abs, mse, k3 or full, got " + name);
}

at::Tensor kl_estimate(const at::Tensor& log_probs_R, const at::Tensor& other_R, KlEstimator estimator) {
  switch (estimator) {
    case KlEstimator::kK1:
      return log_probs_R - other_R;
    case KlEstimator::kAbs:
      return at::abs(log_probs_R - other_R);
    case KlEstimator::kMse:
      return at::square(log_probs_R - other_R) * 0.5;
    case KlEstimator::kK3:
      return k3(log_probs_R, other_R);
    case KlEstimator::kFull:
      break;
  }
  throw Error("E_VALUE", "kl_estimate", "KL estimator: `full` needs whole distributions; use k1, abs, mse or k3");
}

at::Tensor kl_of(const KlTokens& tokens, KlEstimator estimator) {
  return estimator == KlEstimator::kFull ? tokens.full_R : kl_estimate(tokens.log_probs_R, tokens.other_R, estimator);
}

KlPerResponse kl_per_response(const at::Tensor& kl_R, const std::vector<int64_t>& response_lengths) {
  const at::Tensor sums = sum_per_response(kl_R.detach().to(at::kDouble), Ragged(response_lengths, kl_R.device()));
  KlPerResponse result{to_doubles(sums), {}};
  for (size_t i = 0; i < response_lengths.size(); ++i) {
    result.means.push_back(response_lengths[i] == 0 ? 0.0 : result.sums[i] / static_cast<double>(response_lengths[i]));
  }
  return result;
}

}  // namespace papo
