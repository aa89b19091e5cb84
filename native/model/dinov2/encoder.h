// DINOv2 over one picture, forward only, for the attention of its layers.
// Source: transformers, models/dinov2 and models/dinov2_with_registers.
#pragma once

#include <functional>

#include "attention/group_attention.h"
#include "model/dinov2/weights.h"

namespace papo::dinov2 {

struct PatchGrid {
  int64_t rows, cols;
};

// The processor's size, each side brought to the nearest whole patches; of more than 4,096 patches both sides shrink.
// Differs: nothing is cropped, so that every pixel of the picture has a saliency.
PatchGrid plan_grid(int64_t height, int64_t width, const InputSpec& input, int64_t patch_size);

// Normalised patches [P, 3 * patch * patch], row-major, of a decoded picture (uint8) resized to the grid.
at::Tensor patch_pixels(const at::Tensor& rgb_YX3, const PatchGrid& grid, const InputSpec& input, int64_t patch_size);

// What a layer is given [N, D] and the heads that it makes of it; N is class token, registers, patches.
using OnLayer = std::function<void(int64_t layer, const at::Tensor& hidden_ND, const QkvHeads& heads)>;

// Runs config.num_layers layers, of the last one only what its attention needs. pixels_PF on the current device.
void run_layers(const at::Tensor& pixels_PF, const PatchGrid& grid, const Weights& weights, const Config& config,
                const OnLayer& on_layer);

}  // namespace papo::dinov2
