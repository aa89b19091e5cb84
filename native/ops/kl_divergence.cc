#include "ops/kl_divergence.h"

#include "core/cancel.h"
#include "core/flops.h"
#include "ops/context.h"
#include "ops/linear.h"
#include "ops/product.h"
#include "ops/row_blocks.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct State {
  Param p_head, q_head;
  KlOptions options;
  FlopPhase phase = flop_phase;

  int64_t chunk_rows() const { return std::max<int64_t>(16, options.chunk_bytes / (p_head.value.size(0) * 8)); }
};

// In float32 (float64) but where kernels read them in the type of the hidden states.
at::Tensor logits_of(const at::Tensor& hidden_CD, const Param& head) {
  const auto logits = product(hidden_CD, head.value.detach().t());
  return runs_kernels(logits) || logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
}

// log p - log q where p counts; a p of 0 counts as 0, also beside a q of 0.
at::Tensor log_ratio(const at::Tensor& p_CV, const at::Tensor& log_p_CV, const at::Tensor& log_q_CV) {
  return (log_p_CV - log_q_CV).masked_fill_(p_CV == 0, 0);
}

void kl_rows(const at::Tensor& p_CV, const at::Tensor& q_CV, double temperature, const KlRows& out) {
  const auto z_p = p_CV / temperature, z_q = q_CV / temperature;
  at::logsumexp_out(const_cast<at::Tensor&>(out.lse_p), z_p, {1});
  at::logsumexp_out(const_cast<at::Tensor&>(out.lse_q), z_q, {1});
  const auto log_p = z_p - out.lse_p.unsqueeze(1), log_q = z_q - out.lse_q.unsqueeze(1), p = log_p.exp();
  out.kl.copy_((p * log_ratio(p, log_p, log_q)).sum(1));
}

// d KL / d logits of p: p (ln p - ln q - KL); of q: q - p.
void kl_rows_backward_(const at::Tensor& p_CV, const at::Tensor& q_CV, double temperature, const KlRows& saved,
                       const at::Tensor& grad_kl_C) {
  const auto log_p = p_CV / temperature - saved.lse_p.unsqueeze(1),
             log_q = q_CV / temperature - saved.lse_q.unsqueeze(1), p = log_p.exp();
  const auto scale = grad_kl_C.unsqueeze(1) / temperature;
  p_CV.copy_((log_ratio(p, log_p, log_q) - saved.kl.unsqueeze(1)).mul_(p).mul_(scale));
  q_CV.copy_(log_q.exp().sub_(p).mul_(scale));
}

void check_finite(int64_t row) {
  check(row < 0, "kl_divergence", "logits of row " + std::to_string(row) + " are not finite", "E_NONFINITE");
}

class KlDivergence : public torch::autograd::Function<KlDivergence> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& p_hidden, const at::Tensor& q_hidden,
                            const at::Tensor& p_head, const at::Tensor& q_head, const State& state) {
    const int64_t rows = p_hidden.size(0);
    const auto row_options = p_hidden.options().dtype(p_hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    const auto make = [&] { return at::empty({rows}, row_options); };
    const KlRows all{make(), make(), make()};
    constexpr int32_t kNone = std::numeric_limits<int32_t>::max();
    const auto bad_row = at::full({1}, kNone, p_hidden.options().dtype(at::kInt));
    for_row_blocks(rows, state.chunk_rows(), [&](int64_t begin, int64_t count) {
      poll_cancel();
      const auto p = logits_of(p_hidden.narrow(0, begin, count), state.p_head);
      const auto q = logits_of(q_hidden.narrow(0, begin, count), state.q_head);
      const auto out = all.narrow(begin, count);
      if (runs_kernels(p)) return kl_rows_device(p, q, state.options.temperature, out, bad_row, begin);
      kl_rows(p, q, state.options.temperature, out);
    });
    if (runs_kernels(p_hidden)) {
      const auto row = bad_row.item<int32_t>();
      check_finite(row == kNone ? -1 : row);
    } else if (const auto bad = (all.lse_p + all.lse_q).isfinite().logical_not(); bad.any().item<bool>()) {
      check_finite(bad.nonzero()[0].item<int64_t>());
    }
    ctx->save_for_backward({p_hidden, q_hidden, all.kl, all.lse_p, all.lse_q});
    hold(ctx, state);
    return all.kl.clone();
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &p_hidden = saved[0], &q_hidden = saved[1];
    const KlRows all{saved[2], saved[3], saved[4]};
    const auto& state = held<State>(ctx);
    const FlopScope scope(state.phase);
    const auto grad = grads[0].contiguous(), grad_p = at::empty_like(p_hidden);
    const bool wants_q = ctx->needs_input_grad(1) || state.q_head.trained();
    const auto grad_q = wants_q ? at::empty_like(q_hidden) : at::Tensor();
    for_row_blocks(p_hidden.size(0), state.chunk_rows(), [&](int64_t begin, int64_t count) {
      poll_cancel();
      const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
      const auto p = logits_of(part(p_hidden), state.p_head), q = logits_of(part(q_hidden), state.q_head);
      if (runs_kernels(p))
        kl_rows_backward_device_(p, q, wants_q, state.options.temperature, all.narrow(begin, count), part(grad));
      else
        kl_rows_backward_(p, q, state.options.temperature, all.narrow(begin, count), part(grad));
      const auto put = [&](const at::Tensor& to, const at::Tensor& logits, const Param& head,
                           const at::Tensor& hidden) {
        const auto narrow = logits.to(hidden.scalar_type());
        product_into(part(to), narrow, head.value.detach());
        add_weight_grads(head, {}, narrow, part(hidden));
      };
      put(grad_p, p, state.p_head, p_hidden);
      if (wants_q) put(grad_q, q, state.q_head, q_hidden);
    });
    return {grad_p, grad_q, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor kl_divergence(const HeadInput& p, const HeadInput& q, const KlOptions& options) {
  return KlDivergence::apply(p.hidden_ND, q.hidden_ND, p.head.value, q.head.value, State{p.head, q.head, options});
}

at::Tensor kl_divergence_composed(const at::Tensor& p_hidden_ND, const at::Tensor& p_head_VD,
                                  const at::Tensor& q_hidden_ND, const at::Tensor& q_head_VD, double temperature) {
  const auto log_softmax = [&](const at::Tensor& hidden, const at::Tensor& head) {
    const auto type = hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    return at::log_softmax(at::linear(hidden, head).to(type) / temperature, -1);
  };
  const auto log_p = log_softmax(p_hidden_ND, p_head_VD), log_q = log_softmax(q_hidden_ND, q_head_VD);
  return (log_p.exp() * (log_p - log_q)).sum(-1);
}

}  // namespace papo
