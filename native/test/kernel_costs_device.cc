#include "test/kernel_costs.h"

#include "kernels/adamw.cuh"
#include "kernels/decode_attention.cuh"
#include "kernels/gradient_norm.cuh"
#include "kernels/kl_divergence.cuh"
#include "kernels/objective.cuh"
#include "kernels/patch_mask.cuh"
#include "kernels/rms_norm.cuh"
#include "kernels/rope.cuh"
#include "kernels/sampler.cuh"
#include "kernels/swiglu.cuh"
#include "kernels/token_log_probs.cuh"

namespace papo {
namespace {

constexpr int kBf16 = 2;

kernels::KernelCost objective_cost_of(int64_t tokens) {
  const float present = 0;  // what a term reads counts where its pointer is set
  float gradient = 0;
  double sums = 0;
  const kernels::ObjectiveTokens inputs{&present, &present, &present, &present, nullptr, nullptr, tokens};
  return kernels::objective_cost(inputs, {&gradient, nullptr, nullptr, &sums, nullptr});
}

}  // namespace

std::vector<NamedCost> kernel_costs(const std::function<double(const char*)>& size) {
  const auto whole = [&](const char* name) { return static_cast<int64_t>(size(name)); };
  const auto small = [&](const char* name) { return static_cast<int>(size(name)); };
  const int64_t rows = whole("rows"), head_rows = whole("headRows"), weights = whole("weights");
  const int hidden = small("hidden"), inner = small("intermediate"), vocab = small("vocab");
  const int heads = small("heads"), kv_heads = small("kvHeads"), head_size = small("headSize");
  const int decode_rows = small("decodeRows"), group_rows = small("groupRows");
  const int turned = heads + kv_heads, fused = heads + 2 * kv_heads;
  const kernels::RopeShape rope{
      rows, turned, head_size, int64_t{fused} * head_size, head_size, int64_t{fused} * head_size, head_size};
  const kernels::PatchGrid grid{small("gridRows"), small("gridCols"), 2, 14, 2, 1};
  std::vector<kernels::DecodeGroup> groups(
      decode_rows / group_rows, {small("promptTokens"), std::vector<int32_t>(group_rows, small("ownTokens"))});
  const auto plan = kernels::plan_decode(groups, heads / kv_heads, 256);
  std::vector<NamedCost> out;
  const auto add = [&](const char* launcher, const kernels::KernelCost& cost, bool tensor_cores = false) {
    out.push_back({launcher, cost.bytes, cost.flops, tensor_cores});
  };
  add("rms_norm", kernels::rms_norm_cost(rows, hidden, kBf16));
  add("rms_norm_grad_x", kernels::rms_norm_grad_x_cost(rows, hidden, kBf16));
  add("rms_norm_grad_weight", kernels::rms_norm_grad_weight_cost(rows, hidden, kBf16));
  add("rope_tables", kernels::rope_tables_cost(rows, head_size, kBf16));
  add("rope", kernels::rope_cost(rope, kBf16, kBf16));
  add("swiglu", kernels::swiglu_cost(rows, inner, kBf16));
  add("swiglu_backward", kernels::swiglu_backward_cost(rows, inner, kBf16));
  add("token_log_probs", kernels::token_log_probs_cost(head_rows, vocab, kBf16));
  add("token_log_probs_backward_", kernels::token_log_probs_backward_cost(head_rows, vocab, kBf16));
  add("kl_divergence", kernels::kl_divergence_cost(head_rows, vocab, kBf16));
  add("kl_divergence_backward_", kernels::kl_divergence_backward_cost(head_rows, vocab, true, kBf16));
  add("objective", objective_cost_of(whole("tokens")));
  add("patch_mask_cells", kernels::patch_mask_cells_cost(int64_t{grid.rows} * grid.cols, false));
  add("fill_patch_cells_", kernels::fill_patch_cells_cost(grid, 0.6));
  add("gradient_norm", kernels::gradient_norm_cost(weights));
  add("adamw", kernels::adamw_cost(weights, kBf16, kBf16));
  add("kv_write", kernels::kv_write_cost(decode_rows, kv_heads * head_size, kBf16));
  add("decode_attention", kernels::decode_attention_cost(plan, heads, kv_heads, head_size, kBf16), true);
  add("sample_tokens", kernels::sample_tokens_cost(decode_rows, vocab, {1.0, 0.99, 0}));
  return out;
}

}  // namespace papo
