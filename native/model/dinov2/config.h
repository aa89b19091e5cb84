// Sizes of a DINOv2, and how it wants pictures. lib/saliency/dinov2-config.ts reads and checks the files.
#pragma once

#include <array>
#include <cstdint>

namespace papo::dinov2 {

struct Config {
  int64_t hidden_size, num_heads, intermediate_size, patch_size;
  int64_t num_layers;     // the first ones, as many as are needed
  int64_t num_registers;  // 0 in a model without
  int64_t position_side;  // the position embeddings are those of a square grid of so many patches a side
  bool swiglu, qkv_bias;
  double norm_eps;
};

struct InputSpec {
  int64_t shortest_edge = 0;      // the shorter side becomes this, the aspect kept; 0: `height` and `width` are it
  int64_t height = 0, width = 0;  // pixels
  std::array<double, 3> mean{}, std{};
  double rescale = 1 / 255.;
};

}  // namespace papo::dinov2
