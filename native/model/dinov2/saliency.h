#pragma once

#include "model/dinov2/encoder.h"
#include "model/saliency_model.h"

namespace papo::dinov2 {

// Looks at the decoded picture by its own processor's rules.
class Dinov2Saliency : public SaliencyModel {
 public:
  Dinov2Saliency(const Config& config, const InputSpec& input, Device device);

  PatchSaliency saliency(const Image& image, const std::vector<int64_t>& layers) const override;

  // What the layers make of a picture. pixels_PF [P, 3 * patch * patch] is what they are given.
  struct Input {
    PatchGrid grid;
    at::Tensor pixels_PF;
  };
  Input input_of(const Image& image) const;
  void run(const Input& input, const OnLayer& on_layer) const;

 private:
  const Config config_;
  const InputSpec input_;
  Weights weights_;
};

}  // namespace papo::dinov2
