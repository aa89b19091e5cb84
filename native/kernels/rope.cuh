// Rotary positions: tables of cos and sin, and the rotation of heads. T and Table are float or __nv_bfloat16.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// How angles come from positions: index i of the first half of a head turns with the position on axis a by
// positions[a][t] * frequencies[i], where a = 0 for i < end[0], 1 for i < end[1], else 2.
// M-RoPE: end = {s0, s0 + s1} of mrope_section. The vision tower: frequencies of a quarter twice, end = {E / 4, E / 2}.
struct RopeAngles {
  const float* frequencies;  // [E / 2], worked out by the host as transformers does, in float32
  int axis_end[2];
};

// positions [axes, T] int32 (3 axes, or 2 when axis_end[1] is E / 2) -> cos_TE and sin_TE, both halves of E alike. The
// angle is a float32 product, as transformers has it. One thread an angle, blocks of 256, at most 40 registers.
template <class Table>
cudaError_t rope_tables(const int* positions, const RopeAngles& angles, Table* cos_TE, Table* sin_TE, int64_t rows,
                        int head_size, cudaStream_t stream);

// Strides in elements; a head is contiguous.
struct RopeShape {
  int64_t rows;
  int heads, head_size;  // head_size even
  int64_t x_row_stride, x_head_stride, y_row_stride, y_head_stride;
};

// y_THE = x cos + direction * rotate_half(x) sin with rotate_half([a, b]) = [-b, a]; direction -1 is the transpose, the
// backward pass. Arithmetic is float32, rounded once. y may be x. One block of up to 256 threads a row, at most 48
// registers.
template <class T, class Table>
cudaError_t rope(const T* x_THE, const Table* cos_TE, const Table* sin_TE, T* y_THE, const RopeShape& shape,
                 int direction, cudaStream_t stream);

KernelCost rope_tables_cost(int64_t rows, int head_size, int table_bytes);
KernelCost rope_cost(const RopeShape& shape, int element_bytes, int table_bytes);

}  // namespace papo::kernels
