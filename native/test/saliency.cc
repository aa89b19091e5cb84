#include "test/saliency.h"

#include "core/error.h"
#include "model/dinov2/saliency.h"

namespace papo {

std::vector<std::pair<std::string, at::Tensor>> dinov2_layers(const SaliencyModel& model, const Image& image) {
  const auto* dinov2 = dynamic_cast<const dinov2::Dinov2Saliency*>(&model);
  check(dinov2 != nullptr, "dinov2_layers", "expected a DINOv2", "E_VALUE");
  const DeviceScope scope(model.device);
  const auto input = dinov2->input_of(image);
  std::vector<std::pair<std::string, at::Tensor>> out{{"pixel_values", input.pixels_PF}};
  dinov2->run(input, [&](int64_t layer, const at::Tensor& hidden_ND, const QkvHeads& heads) {
    const auto q_HNE = heads.q_THE.transpose(0, 1), k_HNE = heads.k_TKE.transpose(0, 1);
    const double scale = std::pow(static_cast<double>(q_HNE.size(2)), -0.5);
    out.emplace_back("hidden." + std::to_string(layer), hidden_ND);
    out.emplace_back("attention." + std::to_string(layer),
                     at::softmax(at::matmul(q_HNE, k_HNE.transpose(1, 2)) * scale, -1));
  });
  return out;
}

}  // namespace papo
