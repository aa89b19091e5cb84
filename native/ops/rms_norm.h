#pragma once

#include "ops/param.h"

namespace papo {

// x_ND / sqrt(mean(x^2) + eps) * weight_D per row -> [N, D].
at::Tensor rms_norm(const at::Tensor& x_ND, const Param& weight, double eps);

// The same from at:: operations, as transformers' Qwen2RMSNorm rounds it in bfloat16.
at::Tensor rms_norm_composed(const at::Tensor& x_ND, const at::Tensor& weight_D, double eps);

}  // namespace papo
