#include "rl/reinforce_plus_plus.h"

#include "core/error.h"
#include "rl/ragged.h"

namespace papo {
namespace {

// In place: whitens; double sums, because rewards-to-go may share a large offset.
void whiten(std::vector<double>& values) {
  if (values.empty()) return;
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  const double variance = count > 1 ? squares / (count - 1) : squares;
  const double scale = 1.0 / std::sqrt(variance + 1e-8);
  for (double& value : values) value = (value - mean) * scale;
}

}  // namespace

at::Tensor reinforce_plus_plus_advantages(const ReinforcePlusPlusBatch& batch) {
  constexpr const char* kOp = "reinforce_plus_plus";
  const Ragged ragged(batch.response_lengths, at::kCPU);
  check(batch.rewards.size() == batch.response_lengths.size(), kOp, "rewards: expected one a response");
  check(batch.kl_R.defined() && batch.kl_R.numel() == ragged.num_tokens, kOp, "kl: expected one number a token");
  const std::vector<double> kl = to_doubles(batch.kl_R);
  std::vector<double> to_go(kl.size());
  size_t end = 0;
  for (size_t i = 0; i < batch.rewards.size(); ++i) {
    const size_t begin = end;
    end += static_cast<size_t>(batch.response_lengths[i]);
    double sum = batch.rewards[i];
    for (size_t t = end; t-- > begin;) {
      sum -= batch.kl_coef * kl[t];
      to_go[t] = sum;
    }
  }
  whiten(to_go);
  return at::tensor(to_go, at::TensorOptions(at::kDouble)).to(batch.kl_R.device(), at::kFloat);
}

}  // namespace papo
