// The vision tower: patches of many pictures, packed -> merged image embeddings.
#pragma once

#include "model/qwen2_5_vl/mrope.h"
#include "model/qwen2_5_vl/weights.h"

namespace papo::qwen2_5_vl {

// pixel_values_PF [patches of all pictures, channels * frames * patch * patch] -> [M, D] embeddings, pictures in order.
// The first num_recomputed blocks run again in the backward pass.
at::Tensor encode_images(const at::Tensor& pixel_values_PF, const std::vector<GridThw>& grids,
                         const VisionWeights& weights, const VisionConfig& config, int64_t num_recomputed);

// Attention that each patch of one picture has from the others, mean over heads and over `blocks`, which have full
// attention: [rows * columns] float64, row-major. No later block is run, and no merger.
at::Tensor patch_saliency(const at::Tensor& pixel_values_PF, const GridThw& grid, const VisionWeights& weights,
                          const VisionConfig& config, const std::vector<int64_t>& blocks);

}  // namespace papo::qwen2_5_vl
