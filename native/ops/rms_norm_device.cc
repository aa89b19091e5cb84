#include "core/kernel_call.h"
#include "kernels/rms_norm.cuh"
#include "ops/context.h"
#include "ops/rms_norm.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void add_weight_grad(const at::Tensor& grad_ND, const at::Tensor& x_ND, const at::Tensor& rstd_N, const Param& weight) {
  const int64_t rows = x_ND.size(0), width = x_ND.size(1);
  const auto work = at::empty({kernels::rms_norm_workspace(rows, static_cast<int>(width))}, rstd_N.options());
  by_kernel_type(x_ND, [&](auto type) {
    using T = decltype(type);
    launched(kernels::rms_norm_grad_weight(kernel_data<T>(grad_ND), kernel_data<T>(x_ND), kernel_data<float>(rstd_N),
                                           kernel_data<float>(work), kernel_data<float>(weight.grad), rows,
                                           static_cast<int>(width), kernel_stream(x_ND)),
             "rms_norm_grad_weight");
  });
}

class RmsNormDevice : public torch::autograd::Function<RmsNormDevice> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& weight_value,
                            const Param& weight, double eps) {
    const auto x = x_in.contiguous(), y = at::empty_like(x);
    const auto rstd = at::empty({x.size(0)}, x.options().dtype(at::kFloat));
    by_kernel_type(x, [&](auto type) {
      using T = decltype(type);
      launched(
          kernels::rms_norm(kernel_data<T>(x), kernel_data<T>(weight.value), static_cast<float>(eps), kernel_data<T>(y),
                            kernel_data<float>(rstd), x.size(0), static_cast<int>(x.size(1)), kernel_stream(x)),
          "rms_norm");
    });
    ctx->save_for_backward({x, rstd});
    hold(ctx, weight);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &rstd = saved[1];
    const auto& weight = held<Param>(ctx);
    const auto grad = grads[0].contiguous(), grad_x = at::empty_like(x);
    by_kernel_type(x, [&](auto type) {
      using T = decltype(type);
      launched(kernels::rms_norm_grad_x(kernel_data<T>(grad), kernel_data<T>(x), kernel_data<T>(weight.value),
                                        kernel_data<float>(rstd), kernel_data<T>(grad_x), x.size(0),
                                        static_cast<int>(x.size(1)), kernel_stream(x)),
               "rms_norm_grad_x");
    });
    if (weight.trained()) add_weight_grad(grad, x, rstd, weight);
    return {grad_x, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm_device(const at::Tensor& x_ND, const Param& weight, double eps) {
  return RmsNormDevice::apply(x_ND, weight.value, weight, eps);
}

}  // namespace papo
