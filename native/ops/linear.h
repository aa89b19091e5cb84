#pragma once

#include "ops/param.h"

namespace papo {

// x_NI weight_OI^T + bias_O -> [N, O]. The weight's and the bias's gradients are added to Param::grad directly.
at::Tensor linear(const at::Tensor& x_NI, const Param& weight, const Param& bias = {});

// The gradients of a linear's parameters, added to where they are kept: grad_NO^T x_NI and the sum of grad_NO's rows.
void add_weight_grads(const Param& weight, const Param& bias, const at::Tensor& grad_NO, const at::Tensor& x_NI);

// linear by at::linear, with gradients left to autograd.
at::Tensor linear_composed(const at::Tensor& x_NI, const at::Tensor& weight, const at::Tensor& bias = {});

}  // namespace papo
