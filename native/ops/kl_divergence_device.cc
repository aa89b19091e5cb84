#include "core/kernel_call.h"
#include "kernels/kl_divergence.cuh"
#include "ops/kl_divergence.h"

namespace papo {
namespace {

kernels::KlDivergence raw(const KlRows& rows, const at::Tensor& bad_row) {
  return {kernel_data<float>(rows.kl), kernel_data<float>(rows.lse_p), kernel_data<float>(rows.lse_q),
          kernel_data<int32_t>(bad_row)};
}

}  // namespace

void kl_rows_device(const at::Tensor& p_CV, const at::Tensor& q_CV, double temperature, const KlRows& out,
                    const at::Tensor& bad_row, int64_t first_row) {
  by_kernel_type(p_CV, [&](auto type) {
    using T = decltype(type);
    launched(kernels::kl_divergence(kernel_data<T>(p_CV), kernel_data<T>(q_CV), static_cast<float>(1 / temperature),
                                    raw(out, bad_row), first_row, p_CV.size(0), static_cast<int>(p_CV.size(1)),
                                    kernel_stream(p_CV)),
             "kl_divergence");
  });
}

void kl_rows_backward_device_(const at::Tensor& p_CV, const at::Tensor& q_CV, bool q_grad, double temperature,
                              const KlRows& saved, const at::Tensor& grad_kl_C) {
  by_kernel_type(p_CV, [&](auto type) {
    using T = decltype(type);
    launched(kernels::kl_divergence_backward_(kernel_data<T>(p_CV), kernel_data<T>(q_CV), q_grad,
                                              static_cast<float>(1 / temperature), raw(saved, {}),
                                              kernel_data<float>(grad_kl_C), p_CV.size(0),
                                              static_cast<int>(p_CV.size(1)), kernel_stream(p_CV)),
             "kl_divergence_backward_");
  });
}

}  // namespace papo
