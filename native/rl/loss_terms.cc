#include "rl/loss_terms.h"

#include "core/error.h"

namespace papo {
namespace {

constexpr double kMaxLogRatio = 20.0;

// 0/1 marks in the dtype of like_R, so that they can be averaged.
at::Tensor marks(const at::Tensor& condition_R, const at::Tensor& like_R) {
  return condition_R.to(like_R.scalar_type());
}

// Keeps, per response, the values at or above their (1 - top_p)-quantile (linear interpolation; NaN is never kept).
at::Tensor keep_top_tokens(const at::Tensor& values_R, double top_p, const Ragged& ragged) {
  check(top_p > 0 && top_p < 1, "objective", "klPrcp.tokenTopP: expected a number in (0, 1)", "E_VALUE");
  const at::Tensor data_R = values_R.detach();
  std::vector<at::Tensor> kept;
  int64_t begin = 0;
  for (int64_t length : ragged.lengths) {
    if (length == 0) continue;
    const at::Tensor response = data_R.slice(0, begin, begin + length);
    kept.push_back(response >= at::nanquantile(response, 1.0 - top_p, 0, false, "linear"));
    begin += length;
  }
  if (kept.empty()) return values_R;
  return at::where(at::cat(kept), values_R, at::zeros_like(values_R));
}

}  // namespace

PolicyTerm ppo_term(const at::Tensor& log_probs_R, const at::Tensor& old_log_probs_R, const at::Tensor& advantages_R,
                    const ClipSpec& clip) {
  const at::Tensor log_ratio_R = at::clamp(log_probs_R - old_log_probs_R, -kMaxLogRatio, kMaxLogRatio);
  const at::Tensor clipped_log_ratio_R = at::clamp(log_ratio_R, std::log(1.0 - clip.low), std::log(1.0 + clip.high));
  const at::Tensor plain_R = -advantages_R * at::exp(log_ratio_R);
  const at::Tensor clipped_R = -advantages_R * at::exp(clipped_log_ratio_R);
  PolicyTerm term;
  term.loss_R = at::maximum(plain_R, clipped_R);
  term.kl_R = -log_ratio_R.detach();
  term.clipped_higher_R = marks(plain_R < clipped_R, log_ratio_R);
  term.clipped_lower_R = at::zeros_like(term.kl_R);
  if (clip.dual) {
    const at::Tensor cap_R = -advantages_R * *clip.dual;
    const at::Tensor negative_R = advantages_R < 0;
    term.clipped_lower_R = marks(at::logical_and(term.loss_R > cap_R, negative_R), log_ratio_R);
    term.loss_R = at::where(negative_R, at::minimum(term.loss_R, cap_R), term.loss_R);
  }
  return term;
}

PolicyTerm gspo_term(const at::Tensor& log_probs_R, const at::Tensor& old_log_probs_R, const at::Tensor& advantages_R,
                     const ClipSpec& clip, const Ragged& ragged) {
  const at::Tensor log_ratio_R = log_probs_R - old_log_probs_R;
  const at::Tensor mean_R = at::clamp(mean_per_response_R(log_ratio_R, ragged), -kMaxLogRatio, kMaxLogRatio);
  const at::Tensor ratio_R = at::exp(mean_R);
  const at::Tensor plain_R = -advantages_R * ratio_R;
  const at::Tensor clipped_R = -advantages_R * at::clamp(ratio_R, 1.0 - clip.low, 1.0 + clip.high);
  return {at::maximum(plain_R, clipped_R), -log_ratio_R.detach(), marks(plain_R < clipped_R, ratio_R),
          at::zeros_like(log_ratio_R.detach())};
}

at::Tensor perception_term(const KlTokens& tokens, const at::Tensor& weights_R, const PerceptionSpec& spec,
                           const Ragged& ragged) {
  // Every estimator is 0 with a finite gradient at (0, 0), so dropped tokens cannot turn 0 * inf into NaN.
  const at::Tensor dropped_R = weights_R == 0;
  const auto kept = [&](const at::Tensor& x_R) { return x_R.defined() ? x_R.masked_fill(dropped_R, 0) : x_R; };
  const at::Tensor kl_R = kl_of({kept(tokens.log_probs_R), kept(tokens.other_R), kept(tokens.full_R)}, spec.estimator);
  at::Tensor term_R = kl_R * weights_R;
  if (spec.token_top_p) term_R = keep_top_tokens(term_R, *spec.token_top_p, ragged);
  if (spec.clip) term_R = at::clamp(term_R, 0.0, *spec.clip);
  return term_R;
}

at::Tensor weighted_sum(const at::Tensor& values_R, const at::Tensor& weights_R) {
  const at::Tensor dropped_R = weights_R == 0;
  return (values_R.masked_fill(dropped_R, 0) * weights_R).sum();
}

}  // namespace papo
