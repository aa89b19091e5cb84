#include "core/kernel_call.h"
#include "kernels/swiglu.cuh"
#include "ops/context.h"
#include "ops/swiglu.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class SwigluDevice : public torch::autograd::Function<SwigluDevice> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in) {
    const auto x = x_in.contiguous(), y = at::empty({x.size(0), x.size(1) / 2}, x.options());
    by_kernel_type(x, [&](auto type) {
      using T = decltype(type);
      launched(kernels::swiglu(kernel_data<T>(x), kernel_data<T>(y), y.size(0), static_cast<int>(y.size(1)),
                               kernel_stream(x)),
               "swiglu");
    });
    ctx->save_for_backward({x});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto x = ctx->get_saved_variables()[0], grad = grads[0].contiguous(), grad_x = at::empty_like(x);
    by_kernel_type(x, [&](auto type) {
      using T = decltype(type);
      launched(kernels::swiglu_backward(kernel_data<T>(grad), kernel_data<T>(x), kernel_data<T>(grad_x), grad.size(0),
                                        static_cast<int>(grad.size(1)), kernel_stream(x)),
               "swiglu_backward");
    });
    return {grad_x};
  }
};

}  // namespace

at::Tensor swiglu_device(const at::Tensor& gate_up_N2I) { return SwigluDevice::apply(gate_up_N2I); }

}  // namespace papo
