// Activation checkpointing: a layer keeps its input only and is run again in the backward pass.
#pragma once

#include "core/torch_compat.h"

namespace papo {

using LayerFunction = std::function<at::Tensor(const at::Tensor& x)>;

// layer(x), a point at which a call can be stopped; with `recompute` and gradients on, its inner activations are
// dropped and formed again when needed. The layer's weights must take their gradients themselves (ops/param.h): only
// x's gradient is returned.
at::Tensor run_layer(const LayerFunction& layer, const at::Tensor& x, bool recompute);

}  // namespace papo
