#include "model/qwen2_5_vl/language.h"

#include "ops/checkpointed.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace papo::qwen2_5_vl {

QkvRows project_qkv(const at::Tensor& x_TD, const DecoderLayerWeights& w, const LayerProducts& products,
                    const TextConfig& config, const RopeTables& rope_tables) {
  const auto qkv =
      products.qkv(rms_norm(x_TD, w.input_norm, config.rms_norm_eps)).view({x_TD.size(0), -1, config.head_size});
  const auto rotated =
      rope(qkv.narrow(1, 0, config.num_heads + config.num_kv_heads), rope_tables.cos_TE, rope_tables.sin_TE);
  return {rotated.narrow(1, 0, config.num_heads), rotated.narrow(1, config.num_heads, config.num_kv_heads),
          qkv.narrow(1, config.num_heads + config.num_kv_heads, config.num_kv_heads)};
}

at::Tensor finish_layer(const at::Tensor& x_TD, const at::Tensor& attended_THE, const DecoderLayerWeights& w,
                        const LayerProducts& products, const TextConfig& config) {
  const auto x = x_TD + products.o(attended_THE.reshape({x_TD.size(0), -1}));
  return x + products.down(swiglu(products.gate_up(rms_norm(x, w.post_norm, config.rms_norm_eps))));
}

at::Tensor decode_rows(at::Tensor x_TD, const std::shared_ptr<const AttentionPlan>& plan, const RopeTables& rope_tables,
                       const LanguageWeights& weights, const TextConfig& config, bool recompute,
                       const KvSink& kv_sink) {
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const auto& layer = weights.layers[i];
    const auto run = [=, &layer, &config](const at::Tensor& x) {
      const LayerProducts products{[&](const at::Tensor& in) { return linear(in, layer.qkv, layer.qkv_bias); },
                                   [&](const at::Tensor& in) { return linear(in, layer.o); },
                                   [&](const at::Tensor& in) { return linear(in, layer.gate_up); },
                                   [&](const at::Tensor& in) { return linear(in, layer.down); }};
      const auto rows = project_qkv(x, layer, products, config, rope_tables);
      if (kv_sink) kv_sink(i, rows.k_TKE, rows.v_TKE);
      return finish_layer(x, group_attention(rows.q_THE, rows.k_TKE, rows.v_TKE, plan), layer, products, config);
    };
    x_TD = run_layer(run, x_TD, recompute);
  }
  return rms_norm(x_TD, weights.norm, config.rms_norm_eps);
}

}  // namespace papo::qwen2_5_vl
