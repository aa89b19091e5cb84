// Which tensors a Qwen2.5-VL has, and the structs of Params that its functions take.
#pragma once

#include "model/parameter_store.h"
#include "model/qwen2_5_vl/config.h"

namespace papo::qwen2_5_vl {

struct VisionBlockWeights {
  Param norm1, qkv, qkv_bias, proj, proj_bias, norm2, gate_up, gate_up_bias, down, down_bias;
};

struct VisionWeights {
  Param patch_embed;  // [vision hidden, channels * frames * patch * patch]
  std::vector<VisionBlockWeights> blocks;
  Param merger_norm, merger_fc1, merger_fc1_bias, merger_fc2, merger_fc2_bias;
};

struct DecoderLayerWeights {
  Param input_norm, qkv, qkv_bias, o, post_norm, gate_up, down;
};

struct LanguageWeights {
  Param embed_tokens;  // [V, D]
  std::vector<DecoderLayerWeights> layers;
  Param norm;
  Param head;  // [V, D]; embed_tokens itself when tied
};

// Parts of the store, in order; index into ParameterStore::allocate's `frozen`.
inline constexpr int kVisionPart = 0, kLanguagePart = 1;

void declare_weights(ParameterStore& store, const Config& config);
// The vision tower without its merger, and its weights, those of the merger undefined.
void declare_tower(ParameterStore& store, const VisionConfig& config);
VisionWeights tower_weights(const ParameterStore& store, const VisionConfig& config);
VisionWeights vision_weights(const ParameterStore& store, const VisionConfig& config);
LanguageWeights language_weights(const ParameterStore& store, const TextConfig& config);

}  // namespace papo::qwen2_5_vl
