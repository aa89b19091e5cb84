#include "model/dinov2/encoder.h"

#include "core/cancel.h"
#include "core/error.h"
#include "image/resample.h"
#include "ops/linear.h"
#include "ops/swiglu.h"

namespace papo::dinov2 {
namespace {

constexpr double kMaxPatches = 4096;

at::Tensor norm(const at::Tensor& x_ND, const Param& weight, const Param& bias, const Config& config) {
  return at::layer_norm(x_ND, {config.hidden_size}, weight.value, bias.value, config.norm_eps);
}

// The position embeddings of the patches, brought to another grid.
at::Tensor patch_positions(const at::Tensor& positions_ND, const PatchGrid& grid, const Config& config) {
  const int64_t side = config.position_side;
  const auto own_PD = positions_ND.narrow(0, 1, side * side);
  if (grid.rows == side && grid.cols == side) return own_PD;
  const auto own_1DYX = own_PD.view({1, side, side, config.hidden_size}).permute({0, 3, 1, 2}).contiguous();
  const std::array<int64_t, 2> size{grid.rows, grid.cols};
  const auto out_1DYX = config.num_registers > 0 ? at::_upsample_bicubic2d_aa(own_1DYX, size, /*align_corners=*/false)
                                                 : at::upsample_bicubic2d(own_1DYX, size, /*align_corners=*/false);
  return out_1DYX.flatten(2).squeeze(0).t();
}

at::Tensor embed(const at::Tensor& pixels_PF, const PatchGrid& grid, const Weights& w, const Config& config) {
  const auto patches_PD = linear(pixels_PF, w.patch_embed, w.patch_embed_bias);
  std::vector<at::Tensor> rows{w.class_token.value + w.positions.value.narrow(0, 0, 1)};
  if (config.num_registers > 0) rows.push_back(w.register_tokens.value);
  rows.push_back(patches_PD + patch_positions(w.positions.value, grid, config));
  return at::cat(rows, 0);
}

at::Tensor feed_forward(const at::Tensor& x_ND, const BlockWeights& w, const Config& config) {
  const auto up = linear(norm(x_ND, w.norm2, w.norm2_bias, config), w.up, w.up_bias);
  return linear(config.swiglu ? swiglu(up) : at::gelu(up), w.down, w.down_bias) * w.scale2.value;
}

}  // namespace

PatchGrid plan_grid(int64_t height, int64_t width, const InputSpec& input, int64_t patch_size) {
  std::array<double, 2> size{static_cast<double>(input.height), static_cast<double>(input.width)};
  if (input.shortest_edge > 0) {
    const int64_t shortest = std::min(height, width);
    const auto scaled = [&](int64_t side) { return static_cast<double>(input.shortest_edge * side / shortest); };
    size = {scaled(height), scaled(width)};
  }
  const auto patch = static_cast<double>(patch_size);
  auto rows = std::max(1.0, std::nearbyint(size[0] / patch)), cols = std::max(1.0, std::nearbyint(size[1] / patch));
  if (rows * cols > kMaxPatches) {
    const double scale = std::sqrt(kMaxPatches / (rows * cols));
    rows = std::clamp(std::floor(rows * scale), 1.0, kMaxPatches);
    cols = std::clamp(std::floor(cols * scale), 1.0, std::floor(kMaxPatches / rows));
  }
  return {static_cast<int64_t>(rows), static_cast<int64_t>(cols)};
}

at::Tensor patch_pixels(const at::Tensor& rgb_YX3, const PatchGrid& grid, const InputSpec& input, int64_t patch_size) {
  const auto resized_YX3 = resize_rgb(rgb_YX3, grid.rows * patch_size, grid.cols * patch_size, Resample::kTorchvision);
  const auto channels = [&](const std::array<double, 3>& values) { return at::tensor(values, at::kFloat); };
  // The processor folds the rescale into mean and std.
  const auto scale = static_cast<float>(1.0 / input.rescale);
  const auto pixels_YX3 = (resized_YX3.to(at::kFloat) - channels(input.mean) * scale) / (channels(input.std) * scale);
  return pixels_YX3.view({grid.rows, patch_size, grid.cols, patch_size, 3})
      .permute({0, 2, 4, 1, 3})
      .reshape({grid.rows * grid.cols, 3 * patch_size * patch_size});
}

void run_layers(const at::Tensor& pixels_PF, const PatchGrid& grid, const Weights& weights, const Config& config,
                const OnLayer& on_layer) {
  at::NoGradGuard no_grad;
  const int64_t head_size = config.hidden_size / config.num_heads;
  auto x = embed(pixels_PF, grid, weights, config);
  const auto plan = std::make_shared<AttentionPlan>();
  append_full_block(*plan, x.size(0));
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    poll_cancel();
    const auto& w = weights.blocks[layer];
    const auto qkv = linear(norm(x, w.norm1, w.norm1_bias, config), w.qkv, w.qkv_bias)
                         .view({x.size(0), 3 * config.num_heads, head_size});
    on_layer(layer, x, split_heads(qkv, config.num_heads));
    if (layer + 1 == config.num_layers) return;
    const auto attended = group_attention(qkv, config.num_heads, plan).flatten(1);
    x = x + linear(attended, w.out, w.out_bias) * w.scale1.value;
    x = x + feed_forward(x, w, config);
  }
}

}  // namespace papo::dinov2
