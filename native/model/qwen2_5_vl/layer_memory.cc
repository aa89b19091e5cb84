#include "model/qwen2_5_vl/layer_memory.h"

#include "ops/row_blocks.h"

namespace papo {
namespace {

double of(int64_t count) { return static_cast<double>(count); }

}  // namespace

NumberForm number_form(Device device, at::ScalarType dtype) {
  const double bytes = of(static_cast<int64_t>(c10::elementSize(dtype)));
  if (device != Device::kCpu) return {OpForm::kKernels, bytes};
  return {dtype == at::kBFloat16 ? OpForm::kComposed : OpForm::kCpu, bytes};
}

LayerSizes layer_sizes(const qwen2_5_vl::TextConfig& c) {
  return {of(c.hidden_size), of((c.num_heads + 2 * c.num_kv_heads) * c.head_size), of(c.num_heads * c.head_size),
          of(c.num_heads), of(c.intermediate_size)};
}

LayerSizes layer_sizes(const qwen2_5_vl::VisionConfig& c) {
  return {of(c.hidden_size), 3 * of(c.hidden_size), of(c.hidden_size), of(c.num_heads), of(c.intermediate_size)};
}

LayerBytes layer_bytes(const LayerSizes& s, const NumberForm& form) {
  const double w = form.bytes, input = w * s.hidden, attended = w * s.attended;
  switch (form.ops) {
    case OpForm::kCpu:  // input, rstd, heads, attended, lse; middle, rstd, gate_up
      return {input, w * (s.hidden + 1 + s.columns + s.attended + s.heads), w * (s.hidden + 1 + 2 * s.inner), attended};
    case OpForm::kComposed:  // a norm keeps a float32 copy, its narrow form and what the product reads
      return {input, 8 * s.hidden + 8 + 4 * (s.columns + s.attended + s.heads),
              attended + 8 * s.hidden + 8 + w * 5 * s.inner, attended};
    case OpForm::kKernels:  // input, rstd, normed, heads, attended, lse; middle, rstd, normed, gate_up, hidden
      return {input, w * (2 * s.hidden + s.columns + s.attended) + 4 * (1 + s.heads),
              w * (2 * s.hidden + 3 * s.inner) + 4, attended};
  }
  return {};
}

// Gradients are float32, and added to.
bool adds_by_copy(const NumberForm& form) { return form.bytes == 2; }

double backward_bytes(const LayerSizes& s, const NumberForm& form, double rows) {
  const double block = form.ops == OpForm::kCpu ? std::min(rows, of(kBackwardRows)) : rows;
  const double weight = adds_by_copy(form) ? 2 * s.inner * s.hidden : 0;
  if (form.ops == OpForm::kComposed)  // gradients of norms and attention in float32, products' operands widened
    return rows * (16 * s.hidden + 4 * (s.columns + s.attended) + 48 * s.inner) + 6 * weight;
  return form.bytes * (rows * (2 * s.hidden + s.attended) + block * (2 * s.hidden + 4 * s.inner) + weight);
}

double forward_bytes(const LayerSizes& s, const NumberForm& form, double rows) {
  const double around = 2 * s.hidden + s.columns + s.attended;  // input, heads, attended, and the output or the middle
  if (form.ops != OpForm::kCpu) return form.bytes * rows * (around + s.hidden + 3 * s.inner);
  const double block = std::min(rows, of(kForwardRows));
  return form.bytes * (rows * (around + s.heads) + block * (2 * s.hidden + 3 * s.inner));
}

}  // namespace papo
