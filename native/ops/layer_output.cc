#include "ops/layer_output.h"

#include "core/flops.h"
#include "ops/context.h"
#include "ops/linear.h"
#include "ops/product.h"
#include "ops/rms_norm.h"
#include "ops/row_blocks.h"
#include "ops/swiglu.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct State {
  LayerOutputParams params;
  FlopPhase phase = flop_phase;
};

at::Tensor value_of(const Param& param) { return param.defined() ? param.value.detach() : at::Tensor(); }

// to = from + x weight^T + bias.
void add_product(const at::Tensor& to, const at::Tensor& from, const at::Tensor& x, const Param& weight,
                 const Param& bias) {
  if (bias.defined())
    at::add_out(const_cast<at::Tensor&>(to), from, value_of(bias));
  else
    to.copy_(from);
  product_into(to, x, value_of(weight).t(), true);
}

class LayerOutput : public torch::autograd::Function<LayerOutput> {
 public:
  // Rows of what a pass without gradient makes in between are those of a block.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& attended_in,
                            const State& state, bool keep) {
    const auto& p = state.params;
    const auto x = x_in.contiguous(), attended = attended_in.contiguous();
    const int64_t rows = x.size(0), width = x.size(1), inner = p.down.value.size(1);
    const int64_t block = std::min(rows, kForwardRows), kept = keep ? rows : block;
    const auto y = at::empty_like(x), rstd = at::empty({kept}, x.options()),
               middle = at::empty({kept, width}, x.options());
    const auto gate_up = at::empty({kept, 2 * inner}, x.options());
    const auto normed = at::empty({block, width}, x.options()), hidden = at::empty({block, inner}, x.options());
    for_row_blocks(rows, kForwardRows, [&](int64_t begin, int64_t count) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, begin, count); };
      const auto inside = [&](const at::Tensor& t) { return t.narrow(0, keep ? begin : 0, count); };
      const auto normed_block = normed.narrow(0, 0, count), hidden_block = hidden.narrow(0, 0, count);
      add_product(inside(middle), part(x), part(attended), p.o, p.o_bias);
      rms_norm_forward_cpu(inside(middle), value_of(p.norm), p.eps, normed_block, inside(rstd));
      product_into(inside(gate_up), normed_block, value_of(p.gate_up).t(), false, value_of(p.gate_up_bias));
      swiglu_forward_cpu(inside(gate_up), hidden_block);
      add_product(part(y), inside(middle), hidden_block, p.down, p.down_bias);
    });
    if (keep) ctx->save_for_backward({attended, middle, rstd, gate_up});
    hold(ctx, state);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto& [p, phase] = held<State>(ctx);
    const FlopScope scope(phase);
    const auto saved = ctx->get_saved_variables();
    const auto &attended = saved[0], &middle = saved[1], &rstd = saved[2], &gate_up = saved[3];
    const auto grad = grads[0].contiguous();
    const int64_t rows = grad.size(0), width = grad.size(1), inner = p.down.value.size(1);
    const int64_t block = std::min(rows, kBackwardRows);
    const auto grad_x = at::empty_like(grad), grad_attended = at::empty_like(attended);
    const auto normed = at::empty({block, width}, grad.options()), grad_normed = at::empty_like(normed);
    const auto hidden = at::empty({block, inner}, grad.options()), grad_hidden = at::empty_like(hidden);
    const auto grad_gate_up = at::empty({block, 2 * inner}, grad.options());
    for_row_blocks(rows, kBackwardRows, [&](int64_t begin, int64_t count) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, begin, count); };
      const auto inside = [&](const at::Tensor& t) { return t.narrow(0, 0, count); };
      product_into(inside(grad_hidden), part(grad), value_of(p.down));
      swiglu_backward_cpu(inside(grad_hidden), part(gate_up), inside(grad_gate_up), inside(hidden));
      add_weight_grads(p.down, p.down_bias, part(grad), inside(hidden));
      rms_norm_again_cpu(part(middle), part(rstd), value_of(p.norm), inside(normed));
      add_weight_grads(p.gate_up, p.gate_up_bias, inside(grad_gate_up), inside(normed));
      product_into(inside(grad_normed), inside(grad_gate_up), value_of(p.gate_up));
      rms_norm_backward_cpu(inside(grad_normed), part(middle), part(rstd), p.norm, part(grad), part(grad_x));
      add_weight_grads(p.o, p.o_bias, part(grad_x), part(attended));
      product_into(part(grad_attended), part(grad_x), value_of(p.o));
    });
    return {grad_x, grad_attended, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor layer_output(const at::Tensor& x_TD, const at::Tensor& attended_TI, const LayerOutputParams& params) {
  if (has_cpu_kernel(x_TD)) return LayerOutput::apply(x_TD, attended_TI, State{params}, at::GradMode::is_enabled());
  return layer_output_composed(x_TD, attended_TI, params);
}

at::Tensor layer_output_composed(const at::Tensor& x_TD, const at::Tensor& attended_TI,
                                 const LayerOutputParams& params) {
  const auto x = x_TD + linear(attended_TI, params.o, params.o_bias);
  const auto gate_up = linear(rms_norm(x, params.norm, params.eps), params.gate_up, params.gate_up_bias);
  return x + linear(swiglu(gate_up), params.down, params.down_bias);
}

}  // namespace papo
