#pragma once

#include "ops/param.h"

namespace papo {

// x_NI weight_OI^T + bias_O -> [N, O]. The weight's and the bias's gradients are added to Param::grad directly.
at::Tensor linear(const at::Tensor& x_NI, const Param& weight, const Param& bias = {});

// The same by at::linear, with gradients left to autograd.
at::Tensor linear_composed(const at::Tensor& x_NI, const at::Tensor& weight, const at::Tensor& bias = {});

}  // namespace papo
