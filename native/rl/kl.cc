#include "rl/kl.h"

#include "core/error.h"
#include "rl/ragged.h"

namespace papo {
namespace {

constexpr double kMaxLogRatio = 20.0;
constexpr double kMaxLowVar = 10.0;

at::Tensor low_var(const at::Tensor& log_probs_R, const at::Tensor& other_R) {
  const at::Tensor s_R = at::clamp(other_R - log_probs_R, -kMaxLogRatio, kMaxLogRatio);
  return at::clamp(at::exp(s_R) - s_R - 1, -kMaxLowVar, kMaxLowVar);
}

}  // namespace

KlEstimator parse_kl_estimator(const std::string& name, const char* op) {
  if (name == "kl") return KlEstimator::kKl;
  if (name == "abs") return KlEstimator::kAbs;
  if (name == "mse") return KlEstimator::kMse;
  if (name == "low_var_kl") return KlEstimator::kLowVar;
  check(name != "full", op, "KL estimator: `full` needs whole distributions; use kl, abs, mse or low_var_kl",
        "E_VALUE");
  throw Error("E_VALUE", op, "KL estimator: expected kl, abs, mse or low_var_kl, got " + name);
}

at::Tensor kl_estimate(const at::Tensor& log_probs_R, const at::Tensor& other_R, KlEstimator estimator) {
  switch (estimator) {
    case KlEstimator::kKl:
      return log_probs_R - other_R;
    case KlEstimator::kAbs:
      return at::abs(log_probs_R - other_R);
    case KlEstimator::kMse:
      return at::square(log_probs_R - other_R) * 0.5;
    case KlEstimator::kLowVar:
      return low_var(log_probs_R, other_R);
  }
  throw Error("E_VALUE", "kl_estimate", "unknown estimator");
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
