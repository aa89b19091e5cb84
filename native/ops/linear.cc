#include "ops/linear.h"

#include "core/flops.h"
#include "ops/context.h"
#include "ops/product.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct LinearState {
  Param weight, bias;
  FlopPhase phase = flop_phase;
};

at::Tensor value_of(const Param& param) { return param.defined() ? param.value.detach() : at::Tensor(); }

class Linear : public torch::autograd::Function<Linear> {
 public:
  // weight_value is the param's value again: autograd looks at tensor arguments only, and takes no undefined ones.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight_value,
                            const LinearState& state) {
    ctx->save_for_backward({x});
    hold(ctx, state);
    return product(x, value_of(state.weight).t(), value_of(state.bias));
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto& state = held<LinearState>(ctx);
    const FlopScope scope(state.phase);
    const auto x = ctx->get_saved_variables()[0];
    const auto grad = grads[0].contiguous();
    add_weight_grads(state.weight, state.bias, grad, x);
    return {ctx->needs_input_grad(0) ? product(grad, value_of(state.weight)) : at::Tensor(), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

void add_weight_grads(const Param& weight, const Param& bias, const at::Tensor& grad_NO, const at::Tensor& x_NI) {
  if (weight.trained()) {
    if (weight.grad.scalar_type() == grad_NO.scalar_type())
      product_into(weight.grad, grad_NO.t(), x_NI, true);
    else
      weight.grad.add_(product(grad_NO.t(), x_NI));
  }
  if (bias.trained()) bias.grad.add_(grad_NO.sum(0));
}

at::Tensor linear(const at::Tensor& x_NI, const Param& weight, const Param& bias) {
  if (!at::GradMode::is_enabled()) return product(x_NI, value_of(weight).t(), value_of(bias));
  return Linear::apply(x_NI, weight.value, LinearState{weight, bias});
}

at::Tensor linear_composed(const at::Tensor& x_NI, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x_NI, weight, bias);
}

}  // namespace papo
