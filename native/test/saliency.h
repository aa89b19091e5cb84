// What a DINOv2's layers are given, and their attention, which papo itself never holds at once.
#pragma once

#include "model/saliency_model.h"

namespace papo {

// `pixel_values` [P, 3 * patch * patch], and of each layer `hidden.<layer>` [N, D], `attention.<layer>` [H, N, N].
std::vector<std::pair<std::string, at::Tensor>> dinov2_layers(const SaliencyModel& model, const Image& image);

}  // namespace papo
