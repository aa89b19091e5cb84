// The products of a decode step: a row's result does not depend on the other rows.
#pragma once

#include "ops/param.h"

namespace papo {

// x_NI weight_OI^T + bias_O -> [N, O] in x's dtype, without gradient. Each element is summed over I in float32 in an
// order of its own, so that a row comes out the same, bit for bit, whatever stands beside it; at::linear chooses its
// blocking, and so its rounding, by the number of rows. float32 and bfloat16.
at::Tensor row_linear(const at::Tensor& x_NI, const Param& weight, const Param& bias = {});

}  // namespace papo
