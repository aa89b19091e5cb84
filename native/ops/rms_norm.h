#pragma once

#include "ops/param.h"

namespace papo {

// x_ND / sqrt(mean(x^2) + eps) * weight_D per row -> [N, D].
at::Tensor rms_norm(const at::Tensor& x_ND, const Param& weight, double eps);

// The same from at:: operations, as transformers' Qwen2RMSNorm rounds it in bfloat16.
at::Tensor rms_norm_composed(const at::Tensor& x_ND, const at::Tensor& weight_D, double eps);

// By the kernels of a device: float32 and bfloat16.
at::Tensor rms_norm_device(const at::Tensor& x_ND, const Param& weight, double eps);

// CPU kernels over contiguous rows (float32, float64). rstd_N is 1 / sqrt(mean(x^2) + eps).
void rms_norm_forward_cpu(const at::Tensor& x_ND, const at::Tensor& weight_D, double eps, const at::Tensor& y_ND,
                          const at::Tensor& rstd_N);
// x * rstd * weight once more.
void rms_norm_again_cpu(const at::Tensor& x_ND, const at::Tensor& rstd_N, const at::Tensor& weight_D,
                        const at::Tensor& y_ND);
// grad_x_ND = the gradient of x, plus `residual_ND` where that is defined; may be grad_ND itself.
void rms_norm_backward_cpu(const at::Tensor& grad_ND, const at::Tensor& x_ND, const at::Tensor& rstd_N,
                           const Param& weight, const at::Tensor& residual_ND, const at::Tensor& grad_x_ND);

}  // namespace papo
