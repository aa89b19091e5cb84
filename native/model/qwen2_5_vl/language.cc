#include "model/qwen2_5_vl/language.h"

#include "ops/checkpointed.h"
#include "ops/rms_norm.h"

namespace papo::qwen2_5_vl {

HeadLayout head_layout(const TextConfig& config) {
  return {config.num_heads + config.num_kv_heads, config.num_heads + 2 * config.num_kv_heads, config.head_size};
}

LayerInputParams input_params(const DecoderLayerWeights& weights, const TextConfig& config) {
  return {weights.input_norm, weights.qkv, weights.qkv_bias, config.rms_norm_eps};
}

LayerOutputParams output_params(const DecoderLayerWeights& weights, const TextConfig& config) {
  return {weights.o, {}, weights.post_norm, weights.gate_up, {}, weights.down, {}, config.rms_norm_eps};
}

at::Tensor decode_rows(at::Tensor x_TD, const PackedRows& rows, const LanguageWeights& weights,
                       const TextConfig& config, int64_t num_recomputed, const Attend& attend) {
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const auto& layer = weights.layers[i];
    const auto wanted = i + 1 == config.num_layers ? rows.wanted_W : at::Tensor();
    const auto run = [=, &layer, &config](const at::Tensor& x) {
      const auto qkv = layer_input(x, input_params(layer, config), head_layout(config), rows.rope_tables.cos_TE,
                                   rows.rope_tables.sin_TE);
      const auto attended = (attend ? attend(i, qkv) : group_attention(qkv, config.num_heads, rows.plan)).flatten(1);
      if (!wanted.defined()) return layer_output(x, attended, output_params(layer, config));
      return layer_output(x.index_select(0, wanted), attended.index_select(0, wanted), output_params(layer, config));
    };
    x_TD = run_layer(run, x_TD, i < num_recomputed);
  }
  return rms_norm(x_TD, weights.norm, config.rms_norm_eps);
}

}  // namespace papo::qwen2_5_vl
