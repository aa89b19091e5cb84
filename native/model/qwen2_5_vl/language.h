// The language model's decoder layers over packed rows of groups.
#pragma once

#include "attention/group_attention.h"
#include "model/qwen2_5_vl/mrope.h"
#include "model/qwen2_5_vl/weights.h"
#include "ops/layer_input.h"
#include "ops/layer_output.h"

namespace papo::qwen2_5_vl {

// A layer's attention over a cache: rotated qkv_TGE of the rows -> [T, H, E].
using Attend = std::function<at::Tensor(int64_t layer, const at::Tensor& qkv_TGE)>;

// A packed pass: which keys each row sees (null: as an Attend has it), its rotation, and which rows' results are wanted
// (undefined: all).
struct PackedRows {
  std::shared_ptr<const AttentionPlan> plan;
  RopeTables rope_tables;
  at::Tensor wanted_W;  // int64, ascending
};

// All layers and the final norm: x_TD embeddings -> hidden states of the wanted rows [W, D]. Other rows end with the
// last layer's attention, for which alone they are there. The first num_recomputed layers run again in the backward
// pass.
at::Tensor decode_rows(at::Tensor x_TD, const PackedRows& rows, const LanguageWeights& weights,
                       const TextConfig& config, int64_t num_recomputed, const Attend& attend = {});

// A layer's two parts as the ops take them.
HeadLayout head_layout(const TextConfig& config);
LayerInputParams input_params(const DecoderLayerWeights& weights, const TextConfig& config);
LayerOutputParams output_params(const DecoderLayerWeights& weights, const TextConfig& config);

}  // namespace papo::qwen2_5_vl
