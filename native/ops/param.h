// A weight as the ops see it: its value and where its gradient is added. Both are views of a policy's flat buffers.
#pragma once

#include "core/torch_compat.h"

namespace papo {

struct Param {
  at::Tensor value;  // requires_grad when trained, so that autograd records the ops that use it
  at::Tensor grad;   // same shape, float32 or float64; undefined: not trained

  bool defined() const { return value.defined(); }
  bool trained() const { return grad.defined(); }
};

}  // namespace papo
