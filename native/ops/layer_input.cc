#include "ops/layer_input.h"

#include "core/flops.h"
#include "ops/context.h"
#include "ops/linear.h"
#include "ops/product.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/row_blocks.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct State {
  LayerInputParams params;
  HeadLayout layout;
  FlopPhase phase = flop_phase;
};

at::Tensor value_of(const Param& param) { return param.defined() ? param.value.detach() : at::Tensor(); }

class LayerInput : public torch::autograd::Function<LayerInput> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& norm_value,
                            const at::Tensor& cos, const at::Tensor& sin, const State& state) {
    const auto& [params, layout, phase] = state;
    const auto x = x_in.contiguous();
    const int64_t rows = x.size(0);
    const auto heads = at::empty({rows, layout.num_heads, layout.head_size}, x.options());
    const auto rstd = at::empty({rows}, x.options());
    const auto normed = at::empty({std::min(rows, kForwardRows), x.size(1)}, x.options());
    for_row_blocks(rows, kForwardRows, [&](int64_t begin, int64_t count) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, begin, count); };
      const auto normed_block = normed.narrow(0, 0, count);
      rms_norm_forward_cpu(part(x), value_of(params.norm), params.eps, normed_block, part(rstd));
      product_into(part(heads).view({count, -1}), normed_block, value_of(params.qkv).t(), false,
                   value_of(params.qkv_bias));
      const auto rotated = part(heads).narrow(1, 0, layout.num_rotated);
      rope_cpu(rotated, part(cos), part(sin), 1, rotated);
    });
    ctx->save_for_backward({x, rstd, cos, sin});
    hold(ctx, state);
    return heads;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto& [params, layout, phase] = held<State>(ctx);
    const FlopScope scope(phase);
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &rstd = saved[1], &cos = saved[2], &sin = saved[3];
    const auto grad = grads[0].contiguous();
    const int64_t rows = x.size(0), block = std::min(rows, kBackwardRows), width = x.size(1);
    const auto grad_x = at::empty_like(x);
    const auto turned = at::empty({block, layout.num_heads, layout.head_size}, x.options());
    const auto normed = at::empty({block, width}, x.options()), grad_normed = at::empty_like(normed);
    for_row_blocks(rows, kBackwardRows, [&](int64_t begin, int64_t count) {
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, begin, count); };
      const auto head_grads = turned.narrow(0, 0, count);
      const int64_t others = layout.num_heads - layout.num_rotated;
      rope_cpu(part(grad).narrow(1, 0, layout.num_rotated), part(cos), part(sin), -1,
               head_grads.narrow(1, 0, layout.num_rotated));
      head_grads.narrow(1, layout.num_rotated, others).copy_(part(grad).narrow(1, layout.num_rotated, others));
      const auto flat = head_grads.view({count, -1});
      const auto normed_block = normed.narrow(0, 0, count), grad_block = grad_normed.narrow(0, 0, count);
      rms_norm_again_cpu(part(x), part(rstd), value_of(params.norm), normed_block);
      add_weight_grads(params.qkv, params.qkv_bias, flat, normed_block);
      product_into(grad_block, flat, value_of(params.qkv));
      rms_norm_backward_cpu(grad_block, part(x), part(rstd), params.norm, {}, part(grad_x));
    });
    return {grad_x, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor layer_input(const at::Tensor& x_TD, const LayerInputParams& params, const HeadLayout& layout,
                       const at::Tensor& cos_TE, const at::Tensor& sin_TE) {
  if (has_cpu_kernel(x_TD)) return LayerInput::apply(x_TD, params.norm.value, cos_TE, sin_TE, State{params, layout});
  return layer_input_composed(x_TD, params, layout, cos_TE, sin_TE);
}

at::Tensor layer_input_composed(const at::Tensor& x_TD, const LayerInputParams& params, const HeadLayout& layout,
                                const at::Tensor& cos_TE, const at::Tensor& sin_TE) {
  const auto columns = linear(rms_norm(x_TD, params.norm, params.eps), params.qkv, params.qkv_bias);
  const std::array<int64_t, 3> sizes{x_TD.size(0), layout.num_heads, layout.head_size};
  if (runs_kernels(columns)) return turn_heads_device_(columns, cos_TE, sin_TE, layout.num_rotated).view(sizes);
  const auto heads = columns.view(sizes);
  const int64_t others = layout.num_heads - layout.num_rotated;
  // Tables of a wider type than the heads turn them in that type, as transformers does in the vision tower.
  const auto turned = rope(heads.narrow(1, 0, layout.num_rotated).to(cos_TE.scalar_type()), cos_TE, sin_TE);
  return at::cat({turned.to(heads.scalar_type()), heads.narrow(1, layout.num_rotated, others)}, 1);
}

}  // namespace papo
