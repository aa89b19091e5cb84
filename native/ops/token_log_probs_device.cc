#include "core/cancel.h"
#include "core/flops.h"
#include "core/kernel_call.h"
#include "kernels/token_log_probs.cuh"
#include "ops/context.h"
#include "ops/linear.h"
#include "ops/product.h"
#include "ops/row_blocks.h"
#include "ops/token_log_probs.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct State {
  Param head;
  HeadOptions options;
  FlopPhase phase = flop_phase;

  int64_t chunk_rows(const at::Tensor& hidden) const {
    const auto row_bytes = head.value.size(0) * static_cast<int64_t>(hidden.element_size());
    return std::max<int64_t>(16, options.chunk_bytes / row_bytes);
  }
  float inverse_temperature() const { return static_cast<float>(1 / options.temperature); }
  at::Tensor logits(const at::Tensor& hidden_CD) const { return product(hidden_CD, head.value.detach().t()); }
};

// Of all rows; entropy is undefined when not wanted.
struct Rows {
  at::Tensor log_probs, lse, entropy, bad_row;
  static constexpr int32_t kNone = std::numeric_limits<int32_t>::max();

  Rows(const at::Tensor& hidden, bool with_entropy) {
    const auto make = [&] { return at::empty({hidden.size(0)}, hidden.options().dtype(at::kFloat)); };
    log_probs = make();
    lse = make();
    if (with_entropy) entropy = make();
    bad_row = at::full({1}, kNone, hidden.options().dtype(at::kInt));
  }
  void score(const at::Tensor& logits_CV, const at::Tensor& targets_C, const State& state, int64_t begin) const {
    const auto part = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, begin, logits_CV.size(0)) : x; };
    const kernels::TokenScores scores{kernel_data<float>(part(log_probs)), kernel_data<float>(part(lse)),
                                      kernel_data<float>(part(entropy)), kernel_data<int32_t>(bad_row)};
    by_kernel_type(logits_CV, [&](auto type) {
      using T = decltype(type);
      launched(kernels::token_log_probs(kernel_data<T>(logits_CV), kernel_data<int64_t>(targets_C),
                                        state.inverse_temperature(), scores, begin, logits_CV.size(0),
                                        static_cast<int>(logits_CV.size(1)), kernel_stream(logits_CV)),
               "token_log_probs");
    });
  }
  // The one wait for the device.
  void check_finite() const {
    const auto row = bad_row.item<int32_t>();
    check(row == kNone, "token_log_probs", "logits of row " + std::to_string(row) + " are not finite", "E_NONFINITE");
  }
};

// Of a chunk, [C] each; undefined: none.
struct RowGrads {
  at::Tensor log_prob, entropy;
};

// Turns logits into their gradient and adds the head's; -> the hidden states'.
void add_gradient(const at::Tensor& logits_CV, const at::Tensor& hidden_CD, const at::Tensor& targets_C,
                  const Rows& rows, const RowGrads& grads, const State& state, int64_t begin,
                  const at::Tensor& grad_hidden_CD) {
  const auto part = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, begin, logits_CV.size(0)) : x; };
  by_kernel_type(logits_CV, [&](auto type) {
    using T = decltype(type);
    launched(kernels::token_log_probs_backward_(
                 kernel_data<T>(logits_CV), kernel_data<int64_t>(targets_C), state.inverse_temperature(),
                 kernel_data<float>(part(rows.lse)), kernel_data<float>(part(rows.entropy)),
                 {kernel_data<float>(grads.log_prob), kernel_data<float>(grads.entropy)}, logits_CV.size(0),
                 static_cast<int>(logits_CV.size(1)), kernel_stream(logits_CV)),
             "token_log_probs_backward_");
  });
  product_into(grad_hidden_CD, logits_CV, state.head.value.detach());
  add_weight_grads(state.head, {}, logits_CV, hidden_CD);
}

class TokenLogProbsDevice : public torch::autograd::Function<TokenLogProbsDevice> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden_in, const at::Tensor& head_value,
                               const at::Tensor& targets, const State& state) {
    const auto hidden = hidden_in.contiguous();
    const Rows rows(hidden, state.options.with_entropy);
    for_row_blocks(hidden.size(0), state.chunk_rows(hidden), [&](int64_t begin, int64_t count) {
      poll_cancel();
      rows.score(state.logits(hidden.narrow(0, begin, count)), targets.narrow(0, begin, count), state, begin);
    });
    rows.check_finite();
    ctx->save_for_backward({hidden, targets, rows.lse, rows.entropy});
    hold(ctx, state);
    return {rows.log_probs, rows.entropy.defined() ? rows.entropy : at::zeros({0}, rows.lse.options())};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &hidden = saved[0], &targets = saved[1];
    const auto& state = held<State>(ctx);
    const FlopScope scope(state.phase);
    Rows rows(hidden, false);
    rows.lse = saved[2];
    rows.entropy = saved[3];
    const bool of_entropy = rows.entropy.defined() && grads[1].defined();
    const auto log_prob_grad = grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    const auto entropy_grad = of_entropy ? grads[1].contiguous() : at::Tensor();
    const auto grad_hidden = at::empty_like(hidden);
    for_row_blocks(hidden.size(0), state.chunk_rows(hidden), [&](int64_t begin, int64_t count) {
      poll_cancel();
      const auto part = [&](const at::Tensor& x) { return x.defined() ? x.narrow(0, begin, count) : x; };
      add_gradient(state.logits(part(hidden)), part(hidden), part(targets), rows,
                   {part(log_prob_grad), part(entropy_grad)}, state, begin, part(grad_hidden));
    });
    return {grad_hidden, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenScores token_log_probs_device(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                                   const HeadOptions& options) {
  auto out = TokenLogProbsDevice::apply(hidden_ND, head.value, targets_N, State{head, options});
  return {out[0], options.with_entropy ? out[1] : at::Tensor()};
}

HeadGradient head_gradient_device(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                                  const HeadOptions& options, const LogProbGradient& loss_gradient) {
  const at::NoGradGuard no_grad;
  const auto hidden = hidden_ND.contiguous();
  const State state{head, options};
  const Rows rows(hidden, false);
  const auto grad_hidden = at::empty_like(hidden);
  for_row_blocks(hidden.size(0), state.chunk_rows(hidden), [&](int64_t begin, int64_t count) {
    poll_cancel();
    const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, count); };
    const auto logits = state.logits(part(hidden));
    rows.score(logits, part(targets_N), state, begin);
    const auto grad = loss_gradient(part(rows.log_probs), begin).contiguous();
    add_gradient(logits, part(hidden), part(targets_N), rows, {grad, {}}, state, begin, part(grad_hidden));
  });
  rows.check_finite();
  return {rows.log_probs, grad_hidden};
}

}  // namespace papo
