// What finds the patches of a picture that matter: a DINOv2 (dinov2/saliency.h), or the vision tower of a Qwen2.5-VL
// (qwen2_5_vl/saliency.h). Float32, never trained.
#pragma once

#include "core/device.h"
#include "image/image.h"
#include "model/parameter_store.h"

namespace papo {

struct PatchSaliency {
  int64_t rows, cols;     // of a grid that is stretched over the picture
  at::Tensor saliency_P;  // row-major float64 on the host
};

class SaliencyModel {
 public:
  explicit SaliencyModel(Device device) : device(device) {}
  virtual ~SaliencyModel() = default;

  // Attention that each patch has from the others, mean over heads and over `layers` (from 0; one or more). E_VALUE for
  // a layer that the model does not have, or whose attention stays within windows.
  virtual PatchSaliency saliency(const Image& image, const std::vector<int64_t>& layers) const = 0;

  const Device device;
  ParameterStore store;

 protected:
  // Of the tensors declared; their values are undefined until they are read.
  void allocate() {
    store.end_part();
    const DeviceScope scope(device);
    store.allocate(at::TensorOptions(at::kFloat).device(tensor_device()), /*trained=*/false, {false});
  }
};

}  // namespace papo
