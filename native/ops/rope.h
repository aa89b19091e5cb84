#pragma once

#include "core/torch_compat.h"

namespace papo {

struct RopeTables {
  at::Tensor cos_TE, sin_TE;
};

// How angles come from positions: index i of the first half of a head turns with the position on axis a by
// position * frequencies[i], where a = 0 for i < axis_end[0], 1 for i < axis_end[1], else 2; the second half repeats
// the first. Products are float32, as in transformers.
struct RopeAngles {
  std::vector<int32_t> positions;  // [axes, T]
  int64_t num_axes;
  std::vector<float> frequencies;  // [E / 2]
  std::array<int, 2> axis_end;
};
RopeTables rope_tables(const RopeAngles& angles, at::ScalarType dtype);

// x cos + rotate_half(x) sin with rotate_half([a, b]) = [-b, a]; x_THE [T, H, E], cos_TE and sin_TE [T, E] -> [T, H,
// E].
at::Tensor rope(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE);

at::Tensor rope_composed(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE);

// By the kernels of a device, which take bfloat16 heads with float32 tables too.
at::Tensor rope_device(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE);
// The first num_rotated heads of a projection's columns x_TI [T, heads * E], in place; x_TI is no view.
at::Tensor turn_heads_device_(const at::Tensor& x_TI, const at::Tensor& cos_TE, const at::Tensor& sin_TE,
                              int64_t num_rotated);
RopeTables rope_tables_device(const RopeAngles& angles, at::ScalarType dtype);
// Of positions_T int32 on a single axis; those and frequencies_F float32 are on the device.
RopeTables rope_tables_device(const at::Tensor& positions_T, const at::Tensor& frequencies_F, at::ScalarType dtype);

// CPU kernel (float32, float64): y_THE may be x_THE itself. Direction -1 turns back, which is the gradient.
void rope_cpu(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE, int direction,
              const at::Tensor& y_THE);

}  // namespace papo
