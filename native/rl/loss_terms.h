// The loss terms as pure functions over the packed response tokens [R] of a batch; none of them averages.
// native/rl/objective.h weighs and adds them. Autograd gives the gradients, in float32 and float64.
#pragma once

#include "rl/kl.h"
#include "rl/ragged.h"

namespace papo {

struct ClipSpec {
  double low = 0.2;            // ratio clip 1 - low; for GSPO 3e-4 is usual
  double high = 0.3;           // ratio clip 1 + high; for GSPO 4e-4
  std::optional<double> dual;  // cap -A * dual of the loss of tokens with A < 0; > 1
};

struct PolicyTerm {
  at::Tensor loss_R;
  // Without gradient: log ratio old - new (its mean is `ppo_kl`), and 0/1 marks of the active clips.
  at::Tensor kl_R, clipped_higher_R, clipped_lower_R;
};

// Clipped surrogate with dual clip: spec 1.3, compute_policy_loss in the reference's core_algos.py.
PolicyTerm ppo_term(const at::Tensor& log_probs_R, const at::Tensor& old_log_probs_R, const at::Tensor& advantages_R,
                    const ClipSpec& clip);

// GSPO (arXiv 2507.18071): one ratio a response, exp(mean of the log ratios), clipped to [1 - low, 1 + high]. Every
// token carries its response's loss, so weights 1 / (n * length) give the mean over responses. The mean log ratio is
// held within +-20 so that exp stays finite. No dual clip.
PolicyTerm gspo_term(const at::Tensor& log_probs_R, const at::Tensor& old_log_probs_R, const at::Tensor& advantages_R,
                     const ClipSpec& clip, const Ragged& ragged);

struct PerceptionSpec {
  double coef = 0;  // the schedule's value at this step; K is maximised
  KlEstimator estimator = KlEstimator::kK3;
  std::optional<double> token_top_p;  // in (0, 1): only tokens at or above the (1 - p)-quantile of their response
  std::optional<double> clip;         // upper bound per token; the lower one is 0
};

// [R] perception KL of spec 1.6: estimate, times its response's weight, token selection, clipping, in this order.
// A weight of 0 drops the token whatever it holds. Differentiable in what the estimate is made of.
at::Tensor perception_term(const KlTokens& tokens, const at::Tensor& weights_R, const PerceptionSpec& spec,
                           const Ragged& ragged);

// Sum of weights_R * values_R; a weight of 0 drops its value, infinities included.
at::Tensor weighted_sum(const at::Tensor& values_R, const at::Tensor& weights_R);

}  // namespace papo
