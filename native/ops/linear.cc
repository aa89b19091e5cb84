#include "ops/linear.h"

#include "core/cancel.h"
#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct LinearParams {
  Param weight, bias;
};

class Linear : public torch::autograd::Function<Linear> {
 public:
  // weight_value is the param's value again: autograd looks at tensor arguments only, and takes no undefined ones.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight_value,
                            const LinearParams& params) {
    poll_cancel();
    ctx->save_for_backward({x});
    hold(ctx, params);
    return at::linear(x, params.weight.value.detach(),
                      params.bias.defined() ? params.bias.value.detach() : at::Tensor());
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    poll_cancel();
    const auto& params = held<LinearParams>(ctx);
    const auto x = ctx->get_saved_variables()[0];
    const auto grad = grads[0].contiguous();
    if (params.weight.trained()) {
      if (params.weight.grad.scalar_type() == grad.scalar_type())
        params.weight.grad.addmm_(grad.t(), x);
      else
        params.weight.grad.add_(at::mm(grad.t(), x));
    }
    if (params.bias.trained()) params.bias.grad.add_(grad.sum(0));
    poll_cancel();
    const auto grad_x = ctx->needs_input_grad(0) ? at::mm(grad, params.weight.value.detach()) : at::Tensor();
    return {grad_x, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x_NI, const Param& weight, const Param& bias) {
  if (!at::GradMode::is_enabled()) {
    poll_cancel();
    return linear_composed(x_NI, weight.value, bias.value);
  }
  return Linear::apply(x_NI, weight.value, LinearParams{weight, bias});
}

at::Tensor linear_composed(const at::Tensor& x_NI, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x_NI, weight, bias);
}

}  // namespace papo
