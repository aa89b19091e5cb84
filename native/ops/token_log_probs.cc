#include "ops/token_log_probs.h"

#include "core/error.h"
#include "core/flops.h"
#include "ops/context.h"
#include "ops/linear.h"
#include "ops/product.h"
#include "ops/row_blocks.h"
#include "ops/vocab_rows_cpu.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct HeadState {
  Param head;
  HeadOptions options;
  FlopPhase phase = flop_phase;
};

at::ScalarType score_type(const at::Tensor& hidden) {
  return hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Rows [begin, begin + count) of the head and of its gradient.
Param head_rows(const Param& head, int64_t begin, int64_t count) {
  return {head.value.detach().narrow(0, begin, count),
          head.trained() ? head.grad.narrow(0, begin, count) : at::Tensor()};
}

// hidden rows^T in the type of the scores; the buffer of its own type is used again and again.
class LogitsBuffer {
 public:
  LogitsBuffer(const at::Tensor& hidden, int64_t rows, int64_t columns)
      : own_(at::empty({rows * columns}, hidden.options())), wide_type_(score_type(hidden)) {}
  at::Tensor product(const at::Tensor& hidden, const at::Tensor& head) {
    const auto logits = own_.narrow(0, 0, hidden.size(0) * head.size(0)).view({hidden.size(0), head.size(0)});
    product_into(logits, hidden, head.t());
    return logits.to(wide_type_);
  }

 private:
  at::Tensor own_;
  at::ScalarType wide_type_;
};

class TokenLogProbs : public torch::autograd::Function<TokenLogProbs> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden_in, const at::Tensor& head_value,
                               const at::Tensor& targets, const HeadState& state) {
    const auto hidden = hidden_in.contiguous();
    RowSoftmax softmax(hidden.size(0), hidden.options().dtype(score_type(hidden)), state.options.with_entropy);
    for_tiles(hidden, state, [&](const at::Tensor& logits, const Param&, int64_t begin) {
      softmax.add(logits, begin, targets, state.options.temperature);
    });
    softmax.check_finite();
    const auto entropy = state.options.with_entropy ? softmax.entropy() : at::Tensor();
    ctx->save_for_backward({hidden, targets, softmax.lse(), entropy});
    hold(ctx, state);
    return {softmax.log_probs(), entropy.defined() ? entropy : at::zeros({0}, softmax.top_N.options())};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &hidden = saved[0], &targets = saved[1], &lse = saved[2], &entropy = saved[3];
    const auto& state = held<HeadState>(ctx);
    const FlopScope scope(state.phase);
    const auto upstream = [](const at::Tensor& grad) { return grad.defined() ? grad.contiguous() : grad; };
    const bool of_entropy = entropy.defined() && grads[1].defined();
    const SoftmaxGradInputs inputs{lse, targets, upstream(grads[0]), of_entropy ? entropy : at::Tensor(),
                                   of_entropy ? upstream(grads[1]) : at::Tensor()};
    // Tiles add up in the type of the scores: a bfloat16 sum would be rounded once a tile.
    const auto grad_hidden = at::empty(hidden.sizes(), lse.options());
    for_tiles(hidden, state, [&](const at::Tensor& logits, const Param& head, int64_t begin) {
      softmax_backward_(logits, begin, inputs, state.options.temperature);
      const auto grad = logits.to(hidden.scalar_type());
      if (grad.scalar_type() == grad_hidden.scalar_type())
        product_into(grad_hidden, grad, head.value, begin > 0);
      else
        begin > 0 ? grad_hidden.add_(product(grad, head.value)) : grad_hidden.copy_(product(grad, head.value));
      add_weight_grads(head, {}, grad, hidden);
    });
    return {grad_hidden.to(hidden.scalar_type()), at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  // Calls use(logits, rows of the head, first token) for tiles of the vocabulary.
  template <class Use>
  static void for_tiles(const at::Tensor& hidden, const HeadState& state, const Use& use) {
    const int64_t rows = std::max<int64_t>(1, hidden.size(0)), vocab = state.head.value.size(0);
    const int64_t columns =
        std::clamp<int64_t>(state.options.tile_bytes / (4 * rows) / 16 * 16, 16, std::max<int64_t>(16, vocab));
    LogitsBuffer buffer(hidden, rows, std::min(columns, vocab));
    for_row_blocks(vocab, columns, [&](int64_t begin, int64_t count) {
      const auto head = head_rows(state.head, begin, count);
      use(buffer.product(hidden, head.value), head, begin);
    });
  }
};

}  // namespace

TokenScores token_log_probs(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                            const HeadOptions& options) {
  if (runs_kernels(hidden_ND)) return token_log_probs_device(hidden_ND, head, targets_N, options);
  auto out = TokenLogProbs::apply(hidden_ND, head.value, targets_N, HeadState{head, options});
  return {out[0], options.with_entropy ? out[1] : at::Tensor()};
}

HeadGradient head_gradient(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                           const HeadOptions& options, const LogProbGradient& loss_gradient) {
  if (runs_kernels(hidden_ND)) return head_gradient_device(hidden_ND, head, targets_N, options, loss_gradient);
  const at::NoGradGuard no_grad;
  const auto hidden = hidden_ND.contiguous();
  const int64_t rows = hidden.size(0), vocab = head.value.size(0);
  // Chunks of one size: a short last one would read the whole head for a few rows.
  const int64_t most = std::max<int64_t>(16, options.chunk_bytes / (4 * vocab));
  const int64_t chunk = (rows + (rows + most - 1) / most - 1) / std::max<int64_t>(1, (rows + most - 1) / most);
  const auto whole_head = head_rows(head, 0, vocab);
  LogitsBuffer buffer(hidden, std::min(rows, chunk), vocab);
  HeadGradient out{at::empty({rows}, hidden.options().dtype(score_type(hidden))), at::empty_like(hidden)};
  for_row_blocks(rows, std::max<int64_t>(1, chunk), [&](int64_t begin, int64_t count) {
    const auto part = [&](const at::Tensor& t) { return t.narrow(0, begin, count); };
    const auto logits = buffer.product(part(hidden), whole_head.value);
    RowSoftmax softmax(count, out.log_probs_N.options(), false);
    softmax.add(logits, 0, part(targets_N), options.temperature);
    softmax.check_finite(begin);
    part(out.log_probs_N).copy_(softmax.log_probs());
    const auto grad_C = loss_gradient(part(out.log_probs_N), begin).contiguous();
    softmax_backward_(logits, 0, {softmax.lse(), part(targets_N), grad_C, {}, {}}, options.temperature);
    const auto grad = logits.to(hidden.scalar_type());
    product_into(part(out.grad_hidden_ND), grad, whole_head.value);
    add_weight_grads(whole_head, {}, grad, part(hidden));
  });
  return out;
}

TokenScores token_log_probs_composed(const at::Tensor& hidden_ND, const at::Tensor& head_VD,
                                     const at::Tensor& targets_N, double temperature) {
  const auto type = score_type(hidden_ND);
  const auto log_p_NV = at::log_softmax(at::linear(hidden_ND, head_VD).to(type) / temperature, -1);
  return {log_p_NV.gather(1, targets_N.unsqueeze(1)).squeeze(1), -(log_p_NV.exp() * log_p_NV).sum(-1)};
}

}  // namespace papo
