// The second part of a transformer layer, behind its attention, as one op: output projection, residual, RMSNorm, SwiGLU
// feed-forward, residual.
#pragma once

#include "ops/param.h"

namespace papo {

struct LayerOutputParams {
  Param o, o_bias, norm, gate_up, gate_up_bias, down, down_bias;  // biases may be undefined
  double eps;
};

// x_TD and attended_TI -> [T, D]: x1 = x + o(attended); x1 + down(swiglu(gate_up(norm(x1)))). Between the products rows
// stay in the cache; kept for the gradient are x1, a number a row and the output of gate_up. float32 and float64 on the
// CPU; elsewhere the composed form.
at::Tensor layer_output(const at::Tensor& x_TD, const at::Tensor& attended_TI, const LayerOutputParams& params);

// The same from single ops: what other devices and dtypes use, and the tests compare with.
at::Tensor layer_output_composed(const at::Tensor& x_TD, const at::Tensor& attended_TI,
                                 const LayerOutputParams& params);

}  // namespace papo
