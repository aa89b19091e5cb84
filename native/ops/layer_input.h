// The first part of a transformer layer, up to its attention, as one op: RMSNorm, projection to the heads, rotation.
#pragma once

#include "ops/param.h"

namespace papo {

struct LayerInputParams {
  Param norm, qkv, qkv_bias;
  double eps;
};

// How the projection's columns are heads: [rotated heads, others], each of head_size.
struct HeadLayout {
  int64_t num_rotated, num_heads, head_size;
};

// x_TD -> [T, num_heads, head_size] with the first num_rotated heads turned by cos_TE, sin_TE. Between the products
// rows stay in the cache, and only x and a number a row are kept for the gradient. float32 and float64 on the CPU;
// elsewhere the composed form.
at::Tensor layer_input(const at::Tensor& x_TD, const LayerInputParams& params, const HeadLayout& layout,
                       const at::Tensor& cos_TE, const at::Tensor& sin_TE);

// The same from single ops: what other devices and dtypes use, and the tests compare with.
at::Tensor layer_input_composed(const at::Tensor& x_TD, const LayerInputParams& params, const HeadLayout& layout,
                                const at::Tensor& cos_TE, const at::Tensor& sin_TE);

}  // namespace papo
