// Which tensors a DINOv2 has, and the structs of Params that its encoder takes.
#pragma once

#include "model/dinov2/config.h"
#include "model/parameter_store.h"

namespace papo::dinov2 {

struct BlockWeights {
  Param norm1, norm1_bias, qkv, qkv_bias, out, out_bias, scale1;
  Param norm2, norm2_bias, up, up_bias, down, down_bias, scale2;  // up: gate and up with SwiGLU
};

struct Weights {
  Param class_token, register_tokens, positions, patch_embed, patch_embed_bias;
  std::vector<BlockWeights> blocks;
};

void declare_weights(ParameterStore& store, const Config& config);
Weights weights_of(const ParameterStore& store, const Config& config);

}  // namespace papo::dinov2
