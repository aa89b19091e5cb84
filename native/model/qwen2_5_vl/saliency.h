#pragma once

#include "model/qwen2_5_vl/vision.h"
#include "model/saliency_model.h"

namespace papo::qwen2_5_vl {

// A policy's vision tower without its merger. Looks at the patches that the policy is given.
class TowerSaliency : public SaliencyModel {
 public:
  TowerSaliency(const VisionConfig& config, Device device);

  PatchSaliency saliency(const Image& image, const std::vector<int64_t>& layers) const override;

 private:
  const VisionConfig config_;
  VisionWeights weights_;
};

}  // namespace papo::qwen2_5_vl
