// The vision tower: patches of many pictures, packed -> merged image embeddings.
#pragma once

#include "model/qwen2_5_vl/mrope.h"
#include "model/qwen2_5_vl/weights.h"

namespace papo::qwen2_5_vl {

// pixel_values_PF [patches of all pictures, channels * frames * patch * patch] -> [M, D] embeddings, pictures in order.
// `recompute` checkpoints each block's activations.
at::Tensor encode_images(const at::Tensor& pixel_values_PF, const std::vector<GridThw>& grids,
                         const VisionWeights& weights, const VisionConfig& config, bool recompute);

}  // namespace papo::qwen2_5_vl
