#include "model/qwen2_5_vl/vision.h"

#include "attention/attention_received.h"
#include "attention/group_attention.h"
#include "core/device.h"
#include "core/error.h"
#include "core/flops.h"
#include "ops/checkpointed.h"
#include "ops/layer_input.h"
#include "ops/layer_output.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"

namespace papo::qwen2_5_vl {
namespace {

constexpr double kNormEps = 1e-6;
constexpr float kRopeTheta = 10000.0f;

// How the tower walks the patches: merge units reordered window by window.
struct TowerPlan {
  std::vector<int64_t> unit_order;                // [P / 4] which merge unit stands at each place
  std::vector<std::array<int64_t, 2>> positions;  // [P] row and column of the patch at each place
  std::shared_ptr<AttentionPlan> windows = std::make_shared<AttentionPlan>();
  std::shared_ptr<AttentionPlan> frames = std::make_shared<AttentionPlan>();  // full attention: one picture frame
};

// Patches come in merge units of merge x merge, units row by row (the processor's order).
void plan_image(const GridThw& grid, int64_t first_unit, const VisionConfig& config, TowerPlan& plan) {
  const int64_t merge = config.spatial_merge_size, unit = config.merge_unit();
  const int64_t window = config.window_size / merge / config.patch_size;  // merge units a side
  const int64_t rows = grid[1] / merge, columns = grid[2] / merge;
  for (int64_t frame = 0; frame < grid[0]; ++frame) {
    for (int64_t top = 0; top < rows; top += window) {
      for (int64_t left = 0; left < columns; left += window) {
        const int64_t bottom = std::min(rows, top + window), right = std::min(columns, left + window);
        append_full_block(*plan.windows, (bottom - top) * (right - left) * unit);
        for (int64_t y = top; y < bottom; ++y) {
          for (int64_t x = left; x < right; ++x) {
            plan.unit_order.push_back(first_unit + (frame * rows + y) * columns + x);
            for (int64_t dy = 0; dy < merge; ++dy)
              for (int64_t dx = 0; dx < merge; ++dx) plan.positions.push_back({y * merge + dy, x * merge + dx});
          }
        }
      }
    }
    append_full_block(*plan.frames, grid[1] * grid[2]);
  }
}

// cos and sin [P, E]: the first quarter of E turns with the row, the second with the column, then both again.
RopeTables vision_rope(const std::vector<std::array<int64_t, 2>>& positions, int64_t head_size, at::ScalarType dtype) {
  const int64_t quarter = head_size / 4;
  RopeAngles angles{{}, 2, {}, {static_cast<int>(quarter), static_cast<int>(2 * quarter)}};
  for (int axis = 0; axis < 2; ++axis) {
    for (const auto& position : positions) angles.positions.push_back(static_cast<int32_t>(position[axis]));
    for (int64_t i = 0; i < quarter; ++i)
      angles.frequencies.push_back(1.0f /
                                   std::pow(kRopeTheta, static_cast<float>(2 * i) / static_cast<float>(head_size / 2)));
  }
  return rope_tables(angles, dtype);
}

at::Tensor block_heads(const at::Tensor& x_PD, const VisionBlockWeights& w, const RopeTables& rope_tables,
                       int64_t num_heads) {
  const HeadLayout layout{2 * num_heads, 3 * num_heads, x_PD.size(1) / num_heads};
  return layer_input(x_PD, {w.norm1, w.qkv, w.qkv_bias, kNormEps}, layout, rope_tables.cos_TE, rope_tables.sin_TE);
}

at::Tensor run_block(const at::Tensor& x_PD, const VisionBlockWeights& w, const RopeTables& rope_tables,
                     const std::shared_ptr<const AttentionPlan>& plan, int64_t num_heads) {
  const auto qkv = block_heads(x_PD, w, rope_tables, num_heads);
  return layer_output(x_PD, group_attention(qkv, num_heads, plan).flatten(1),
                      {w.proj, w.proj_bias, w.norm2, w.gate_up, w.gate_up_bias, w.down, w.down_bias, kNormEps});
}

// What the first block is given.
struct TowerInput {
  TowerPlan plan;
  at::Tensor unit_order;  // of the plan, on the device
  RopeTables rope_tables;
  at::Tensor x_PD;

  const std::shared_ptr<AttentionPlan>& attention(const VisionConfig& config, int64_t block) const {
    return config.has_full_attention(block) ? plan.frames : plan.windows;
  }
};

TowerInput tower_input(const at::Tensor& pixel_values_PF, const std::vector<GridThw>& grids,
                       const VisionWeights& weights, const VisionConfig& config) {
  const int64_t unit = config.merge_unit();
  TowerInput out;
  int64_t units = 0;
  for (const auto& grid : grids) {
    check(grid[1] % config.spatial_merge_size == 0 && grid[2] % config.spatial_merge_size == 0, "encode_images",
          "a grid's sides must be multiples of the merge size");
    plan_image(grid, units, config, out.plan);
    units += grid[0] * grid[1] * grid[2] / unit;
  }
  check(pixel_values_PF.size(0) == units * unit && pixel_values_PF.size(1) == config.patch_numel(), "encode_images",
        "the grids need [" + std::to_string(units * unit) + ", " + std::to_string(config.patch_numel()) +
            "] pixel values, got [" + std::to_string(pixel_values_PF.size(0)) + ", " +
            std::to_string(pixel_values_PF.size(1)) + "]");
  const auto dtype = weights.patch_embed.value.scalar_type();
  out.unit_order = to_device(out.plan.unit_order);
  // Pixels, not embeddings, are put into window order: they need no gradient.
  const auto pixels =
      pixel_values_PF.view({units, -1}).index_select(0, out.unit_order).view({units * unit, -1}).to(dtype);
  out.rope_tables = vision_rope(out.plan.positions, config.hidden_size / config.num_heads,
                                dtype == at::kBFloat16 ? at::kFloat : dtype);
  out.x_PD = linear(pixels, weights.patch_embed);
  return out;
}

}  // namespace

at::Tensor encode_images(const at::Tensor& pixel_values_PF, const std::vector<GridThw>& grids,
                         const VisionWeights& weights, const VisionConfig& config, int64_t num_recomputed) {
  const FlopScope scope(FlopPhase::kVision);
  const auto input = tower_input(pixel_values_PF, grids, weights, config);
  auto x = input.x_PD;
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::shared_ptr<const AttentionPlan> attention = input.attention(config, i);
    const auto& block = weights.blocks[i];
    x = run_layer([tables = input.rope_tables, attention, &block,
                   &config](const at::Tensor& in) { return run_block(in, block, tables, attention, config.num_heads); },
                  x, i < num_recomputed);
  }
  const auto merged = rms_norm(x, weights.merger_norm, kNormEps).view({-1, config.hidden_size * config.merge_unit()});
  const auto embeds = linear(at::gelu(linear(merged, weights.merger_fc1, weights.merger_fc1_bias)), weights.merger_fc2,
                             weights.merger_fc2_bias);
  return embeds.index_select(0, at::argsort(input.unit_order));
}

at::Tensor patch_saliency(const at::Tensor& pixel_values_PF, const GridThw& grid, const VisionWeights& weights,
                          const VisionConfig& config, const std::vector<int64_t>& blocks) {
  at::NoGradGuard no_grad;
  const FlopScope scope(FlopPhase::kVision);
  for (const auto block : blocks)
    check(block >= 0 && block < config.depth && config.has_full_attention(block), "saliency",
          "block " + std::to_string(block) + " has no attention over the whole picture", "E_VALUE");
  const auto input = tower_input(pixel_values_PF, {grid}, weights, config);
  const int64_t last = *std::max_element(blocks.begin(), blocks.end());
  at::Tensor x = input.x_PD, sum_P;
  for (int64_t i = 0; i <= last; ++i) {
    if (std::find(blocks.begin(), blocks.end(), i) != blocks.end()) {
      const auto heads =
          split_heads(block_heads(x, weights.blocks[i], input.rope_tables, config.num_heads), config.num_heads);
      const auto received_P = attention_received(heads.q_THE, heads.k_TKE, 0);
      sum_P = sum_P.defined() ? sum_P + received_P : received_P;
    }
    if (i < last) x = run_block(x, weights.blocks[i], input.rope_tables, input.attention(config, i), config.num_heads);
  }
  std::vector<int64_t> places;  // in the picture, of the patches as the tower walks them
  for (const auto& [row, column] : input.plan.positions) places.push_back(row * grid[2] + column);
  return at::empty_like(sum_P).index_copy_(0, to_device(places), sum_P / static_cast<double>(blocks.size()));
}

}  // namespace papo::qwen2_5_vl
