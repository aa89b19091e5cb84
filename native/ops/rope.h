#pragma once

#include "core/torch_compat.h"

namespace papo {

// x cos + rotate_half(x) sin with rotate_half([a, b]) = [-b, a]; x_THE [T, H, E], cos_TE and sin_TE [T, E] -> [T, H,
// E].
at::Tensor rope(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE);

at::Tensor rope_composed(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE);

// CPU kernel (float32, float64): y_THE may be x_THE itself. Direction -1 turns back, which is the gradient.
void rope_cpu(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE, int direction,
              const at::Tensor& y_THE);

}  // namespace papo
