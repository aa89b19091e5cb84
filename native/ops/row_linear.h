// The products of a decode step: a row's result does not depend on the other rows.
#pragma once

#include "ops/param.h"

namespace papo {

// x_NI weight_OI^T + bias_O -> [N, O] in x's dtype, without gradient, for a weight that many steps in a row use. Each
// element is summed over I in float32 in an order of its own, so that a row comes out the same, bit for bit, whatever
// stands beside it; at::linear chooses its blocking, and so its rounding, by the number of rows. A float32 weight's
// panels, a second copy of it, are laid out once with `keep_panels`; else, and those of a bfloat16 weight, which would
// be twice its size, in every call.
class RowLinear {
 public:
  explicit RowLinear(const Param& weight, const Param& bias = {}, bool keep_panels = true);
  at::Tensor operator()(const at::Tensor& x_NI) const;

 private:
  Param weight_, bias_;
  at::Tensor panels_;  // undefined: laid out in every call
};

}  // namespace papo
