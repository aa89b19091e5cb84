// What one transformer layer takes of memory, by sizes: counted from what its ops keep (ops/layer_input.cc,
// ops/layer_output.cc, attention/group_attention.cc and the single ops that stand for them).
#pragma once

#include "core/device.h"
#include "model/qwen2_5_vl/config.h"

namespace papo {

// Which form the ops take.
enum class OpForm {
  kCpu,       // float32 and float64 on the CPU: layer_input and layer_output as one op each
  kComposed,  // bfloat16 on the CPU: single ops, norms and attention in float32
  kKernels,   // of a device: single ops. In float32 on CUDA attention keeps its scores too, which are not counted.
};

struct NumberForm {
  OpForm ops = OpForm::kCpu;
  double bytes = 4;  // of a number of the weights and the stream
};
NumberForm number_form(Device device, at::ScalarType dtype);

// Widths: of the stream, of the projections to the heads, of what attention gives, of the feed-forward part.
struct LayerSizes {
  double hidden, columns, attended, heads, inner;
};
LayerSizes layer_sizes(const qwen2_5_vl::TextConfig& config);
LayerSizes layer_sizes(const qwen2_5_vl::VisionConfig& config);

// Bytes a row.
struct LayerBytes {
  double input;     // all that a layer keeps that runs again
  double before;    // kept by a stored one up to its attention, its input included
  double behind;    // kept behind it
  double attended;  // attention's result, for rows that are copied in between
  double whole() const { return before + behind; }
};
LayerBytes layer_bytes(const LayerSizes& sizes, const NumberForm& form);

// Bytes beside what is kept while so many rows run backward, and forward without gradient.
double backward_bytes(const LayerSizes& sizes, const NumberForm& form, double rows);
double forward_bytes(const LayerSizes& sizes, const NumberForm& form, double rows);

// Whether a product is made beside the tensor that it is added to.
bool adds_by_copy(const NumberForm& form);

}  // namespace papo
