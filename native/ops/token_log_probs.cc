#include "ops/token_log_probs.h"

#include "core/cancel.h"
#include "core/flops.h"
#include "ops/context.h"
#include "ops/linear.h"
#include "ops/product.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct HeadState {
  Param head;
  HeadOptions options;
  FlopPhase phase = flop_phase;

  int64_t chunk_rows() const { return std::max<int64_t>(16, options.chunk_bytes / (head.value.size(0) * 4)); }
};

at::Tensor chunk_logits(const at::Tensor& hidden, const at::Tensor& head, double temperature) {
  auto logits = product(hidden, head.t());
  if (logits.scalar_type() != at::kDouble) logits = logits.to(at::kFloat);
  return temperature == 1.0 ? logits : logits.div_(temperature);
}

class TokenLogProbs : public torch::autograd::Function<TokenLogProbs> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& head_value,
                               const at::Tensor& targets, const HeadState& state) {
    const int64_t rows = hidden.size(0);
    const bool with_entropy = state.options.with_entropy;
    const auto options = hidden.options().dtype(hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    auto log_probs = at::empty({rows}, options), lse = at::empty({rows}, options);
    auto entropy = with_entropy ? at::empty({rows}, options) : at::Tensor();
    const auto head = state.head.value.detach();
    for (int64_t begin = 0; begin < rows; begin += state.chunk_rows()) {
      poll_cancel();
      const int64_t count = std::min(state.chunk_rows(), rows - begin);
      const auto logits_CV = chunk_logits(hidden.narrow(0, begin, count), head, state.options.temperature);
      const auto lse_C = at::logsumexp(logits_CV, {1});
      const auto target_C = logits_CV.gather(1, targets.narrow(0, begin, count).unsqueeze(1)).squeeze(1);
      lse.narrow(0, begin, count).copy_(lse_C);
      log_probs.narrow(0, begin, count).copy_(target_C - lse_C);
      if (with_entropy) {
        // Of log-probs, not of logits: those may be large, and their rounding with them. A log-prob of -inf has
        // probability 0 and must not turn 0 * inf into nan.
        const auto log_p_CV = logits_CV.sub_(lse_C.unsqueeze(1)).clamp_min_(-1e30);
        entropy.narrow(0, begin, count).copy_(log_p_CV.exp().mul_(log_p_CV).sum(1).neg_());
      }
    }
    if (!lse.isfinite().all().item<bool>()) {
      const int64_t row = lse.isfinite().logical_not().nonzero()[0].item<int64_t>();
      throw Error("E_NONFINITE", "token_log_probs", "logits of row " + std::to_string(row) + " are not finite");
    }
    ctx->save_for_backward({hidden, targets, lse, with_entropy ? entropy : at::Tensor()});
    hold(ctx, state);
    return {log_probs, with_entropy ? entropy : at::zeros({0}, options)};
  }

  // d logits = (g_log_prob (1[target] - p) - g_entropy p (ln p + H)) / temperature.
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &hidden = saved[0], &targets = saved[1], &lse = saved[2], &entropy = saved[3];
    const auto& state = held<HeadState>(ctx);
    const FlopScope scope(state.phase);
    const int64_t rows = hidden.size(0);
    const auto head = state.head.value.detach();
    const bool entropy_grad = entropy.defined() && grads[1].defined();
    auto grad_hidden = at::empty_like(hidden);
    for (int64_t begin = 0; begin < rows; begin += state.chunk_rows()) {
      poll_cancel();
      const int64_t count = std::min(state.chunk_rows(), rows - begin);
      const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
      const auto hidden_CD = part(hidden);
      auto log_p_CV = chunk_logits(hidden_CD, head, state.options.temperature).sub_(part(lse).unsqueeze(1));
      const auto p_CV = log_p_CV.exp();
      auto grad_CV = at::Tensor();
      if (entropy_grad) {
        grad_CV = (log_p_CV.clamp_min(-1e30) + part(entropy).unsqueeze(1))
                      .mul_(p_CV)
                      .mul_(part(grads[1]).unsqueeze(1))
                      .neg_();
      }
      if (grads[0].defined()) {
        const auto g_C1 = part(grads[0]).unsqueeze(1);
        auto from_log_prob = (p_CV * -g_C1).scatter_add_(1, part(targets).unsqueeze(1), g_C1);
        grad_CV = grad_CV.defined() ? grad_CV.add_(from_log_prob) : from_log_prob;
      }
      if (state.options.temperature != 1.0) grad_CV.div_(state.options.temperature);
      const auto narrow_grad = grad_CV.to(hidden.scalar_type());
      product_into(grad_hidden.narrow(0, begin, count), narrow_grad, head);
      add_weight_grads(state.head, {}, narrow_grad, hidden_CD);
    }
    return {grad_hidden, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenScores token_log_probs(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                            const HeadOptions& options) {
  auto out = TokenLogProbs::apply(hidden_ND, head.value, targets_N, HeadState{head, options});
  return {out[0], options.with_entropy ? out[1] : at::Tensor()};
}

TokenScores token_log_probs_composed(const at::Tensor& hidden_ND, const at::Tensor& head_VD,
                                     const at::Tensor& targets_N, double temperature) {
  const auto type = hidden_ND.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto log_p_NV = at::log_softmax(at::linear(hidden_ND, head_VD).to(type) / temperature, -1);
  return {log_p_NV.gather(1, targets_N.unsqueeze(1)).squeeze(1), -(log_p_NV.exp() * log_p_NV).sum(-1)};
}

}  // namespace papo
