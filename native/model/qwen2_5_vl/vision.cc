#include "model/qwen2_5_vl/vision.h"

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

at::Tensor run_block(const at::Tensor& x_PD, const VisionBlockWeights& w, const RopeTables& rope_tables,
                     const std::shared_ptr<const AttentionPlan>& plan, int64_t num_heads) {
  const HeadLayout layout{2 * num_heads, 3 * num_heads, x_PD.size(1) / num_heads};
  const auto qkv =
      layer_input(x_PD, {w.norm1, w.qkv, w.qkv_bias, kNormEps}, layout, rope_tables.cos_TE, rope_tables.sin_TE);
  return layer_output(x_PD, group_attention(qkv, num_heads, plan).flatten(1),
                      {w.proj, w.proj_bias, w.norm2, w.gate_up, w.gate_up_bias, w.down, w.down_bias, kNormEps});
}

}  // namespace

at::Tensor encode_images(const at::Tensor& pixel_values_PF, const std::vector<GridThw>& grids,
                         const VisionWeights& weights, const VisionConfig& config, int64_t num_recomputed) {
  const int64_t unit = config.merge_unit();
  TowerPlan plan;
  int64_t units = 0;
  for (const auto& grid : grids) {
    check(grid[1] % config.spatial_merge_size == 0 && grid[2] % config.spatial_merge_size == 0, "encode_images",
          "a grid's sides must be multiples of the merge size");
    plan_image(grid, units, config, plan);
    units += grid[0] * grid[1] * grid[2] / unit;
  }
  check(pixel_values_PF.size(0) == units * unit && pixel_values_PF.size(1) == config.patch_numel(), "encode_images",
        "the grids need [" + std::to_string(units * unit) + ", " + std::to_string(config.patch_numel()) +
            "] pixel values, got [" + std::to_string(pixel_values_PF.size(0)) + ", " +
            std::to_string(pixel_values_PF.size(1)) + "]");
  const FlopScope scope(FlopPhase::kVision);
  const auto dtype = weights.patch_embed.value.scalar_type();
  const auto order = to_device(plan.unit_order);
  // Pixels, not embeddings, are put into window order: they need no gradient.
  const auto pixels = pixel_values_PF.view({units, -1}).index_select(0, order).view({units * unit, -1}).to(dtype);
  const auto tables =
      vision_rope(plan.positions, config.hidden_size / config.num_heads, dtype == at::kBFloat16 ? at::kFloat : dtype);
  auto x = linear(pixels, weights.patch_embed);
  for (int64_t i = 0; i < config.depth; ++i) {
    const bool full = std::find(config.fullatt_block_indexes.begin(), config.fullatt_block_indexes.end(), i) !=
                      config.fullatt_block_indexes.end();
    const std::shared_ptr<const AttentionPlan> attention = full ? plan.frames : plan.windows;
    const auto& block = weights.blocks[i];
    x = run_layer([=, &block,
                   &config](const at::Tensor& in) { return run_block(in, block, tables, attention, config.num_heads); },
                  x, i < num_recomputed);
  }
  const auto merged = rms_norm(x, weights.merger_norm, kNormEps).view({units, -1});
  const auto embeds = linear(at::gelu(linear(merged, weights.merger_fc1, weights.merger_fc1_bias)), weights.merger_fc2,
                             weights.merger_fc2_bias);
  return embeds.index_select(0, at::argsort(order));
}

}  // namespace papo::qwen2_5_vl
