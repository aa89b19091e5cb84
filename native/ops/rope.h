#pragma once

#include "core/torch_compat.h"

namespace papo {

// x cos + rotate_half(x) sin with rotate_half([a, b]) = [-b, a]; x_THE [T, H, E], cos_TE and sin_TE [T, E] -> [T, H,
// E].
at::Tensor rope(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE);

at::Tensor rope_composed(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE);

}  // namespace papo
