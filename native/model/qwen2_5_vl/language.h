// The language model's decoder layers over packed rows of groups.
#pragma once

#include "attention/group_attention.h"
#include "model/qwen2_5_vl/mrope.h"
#include "model/qwen2_5_vl/weights.h"

namespace papo::qwen2_5_vl {

struct QkvRows {
  at::Tensor q_THE, k_TKE, v_TKE;  // rotated
};

// The products of a decoder layer, as training or cached decoding does them.
struct LayerProducts {
  std::function<at::Tensor(const at::Tensor& x_NI)> qkv, o, gate_up, down;
};

// The two parts of a decoder layer around its attention, shared by training and the cached decode.
QkvRows project_qkv(const at::Tensor& x_TD, const DecoderLayerWeights& w, const LayerProducts& products,
                    const TextConfig& config, const RopeTables& rope_tables);
at::Tensor finish_layer(const at::Tensor& x_TD, const at::Tensor& attended_THE, const DecoderLayerWeights& w,
                        const LayerProducts& products, const TextConfig& config);

// Called with every layer's rotated keys and values, to fill a cache.
using KvSink = std::function<void(int64_t layer, const at::Tensor& k_TKE, const at::Tensor& v_TKE)>;

// All layers and the final norm: x_TD embeddings -> hidden states [T, D].
at::Tensor decode_rows(at::Tensor x_TD, const std::shared_ptr<const AttentionPlan>& plan, const RopeTables& rope_tables,
                       const LanguageWeights& weights, const TextConfig& config, bool recompute,
                       const KvSink& kv_sink = {});

}  // namespace papo::qwen2_5_vl
