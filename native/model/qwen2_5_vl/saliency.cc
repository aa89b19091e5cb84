#include "model/qwen2_5_vl/saliency.h"

#include "image/patches.h"

namespace papo::qwen2_5_vl {

TowerSaliency::TowerSaliency(const VisionConfig& config, Device device) : SaliencyModel(device), config_(config) {
  declare_tower(store, config);
  allocate();
  weights_ = tower_weights(store, config);
}

PatchSaliency TowerSaliency::saliency(const Image& image, const std::vector<int64_t>& layers) const {
  const auto pixels_PF = to_device(pixel_values(image, nullptr));
  const auto saliency_P = patch_saliency(pixels_PF, image.grid_thw, weights_, config_, layers);
  return {image.grid_thw[1], image.grid_thw[2], to_host(saliency_P)};
}

}  // namespace papo::qwen2_5_vl
