#include "model/dinov2/saliency.h"

#include "attention/attention_received.h"
#include "core/error.h"
#include "core/flops.h"

namespace papo::dinov2 {

Dinov2Saliency::Dinov2Saliency(const Config& config, const InputSpec& input, Device device)
    : SaliencyModel(device), config_(config), input_(input) {
  declare_weights(store, config);
  allocate();
  weights_ = weights_of(store, config);
}

Dinov2Saliency::Input Dinov2Saliency::input_of(const Image& image) const {
  const auto& rgb_YX3 = image.rgb_YX3;
  const auto grid = plan_grid(rgb_YX3.size(0), rgb_YX3.size(1), input_, config_.patch_size);
  return {grid, to_device(patch_pixels(rgb_YX3, grid, input_, config_.patch_size))};
}

void Dinov2Saliency::run(const Input& input, const OnLayer& on_layer) const {
  run_layers(input.pixels_PF, input.grid, weights_, config_, on_layer);
}

PatchSaliency Dinov2Saliency::saliency(const Image& image, const std::vector<int64_t>& layers) const {
  const FlopScope scope(FlopPhase::kVision);
  for (const auto layer : layers)
    check(layer >= 0 && layer < config_.num_layers, "saliency", "there is no layer " + std::to_string(layer),
          "E_VALUE");
  const auto input = input_of(image);
  at::Tensor sum_P;
  run(input, [&](int64_t layer, const at::Tensor&, const QkvHeads& heads) {
    if (std::find(layers.begin(), layers.end(), layer) == layers.end()) return;
    const auto received_P = attention_received(heads.q_THE, heads.k_TKE, 1 + config_.num_registers);
    sum_P = sum_P.defined() ? sum_P + received_P : received_P;
  });
  return {input.grid.rows, input.grid.cols, to_host(sum_P / static_cast<double>(layers.size()))};
}

}  // namespace papo::dinov2
