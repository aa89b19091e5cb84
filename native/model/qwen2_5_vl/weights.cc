#include "model/qwen2_5_vl/weights.h"

namespace papo::qwen2_5_vl {
namespace {

std::string block_prefix(int64_t index) { return "visual.blocks." + std::to_string(index) + "."; }
std::string layer_prefix(int64_t index) { return "model.layers." + std::to_string(index) + "."; }

void declare_merger(ParameterStore& store, const VisionConfig& c) {
  const int64_t merged = c.hidden_size * c.merge_unit();
  store.declare("visual.merger.ln_q.weight", {c.hidden_size});
  store.declare("visual.merger.mlp.0.weight", {merged, merged});
  store.declare("visual.merger.mlp.0.bias", {merged});
  store.declare("visual.merger.mlp.2.weight", {c.out_hidden_size, merged});
  store.declare("visual.merger.mlp.2.bias", {c.out_hidden_size});
}

void declare_language(ParameterStore& store, const TextConfig& c) {
  const int64_t q = c.num_heads * c.head_size, kv = c.num_kv_heads * c.head_size;
  store.declare("model.embed_tokens.weight", {c.vocab_size, c.hidden_size});
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const auto p = layer_prefix(i);
    store.declare(p + "input_layernorm.weight", {c.hidden_size});
    store.declare(p + "self_attn.q_proj.weight", {q, c.hidden_size});
    store.declare(p + "self_attn.k_proj.weight", {kv, c.hidden_size}, false);
    store.declare(p + "self_attn.v_proj.weight", {kv, c.hidden_size}, false);
    store.declare(p + "self_attn.q_proj.bias", {q});
    store.declare(p + "self_attn.k_proj.bias", {kv}, false);
    store.declare(p + "self_attn.v_proj.bias", {kv}, false);
    store.declare(p + "self_attn.o_proj.weight", {c.hidden_size, q});
    store.declare(p + "post_attention_layernorm.weight", {c.hidden_size});
    store.declare(p + "mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size});
    store.declare(p + "mlp.up_proj.weight", {c.intermediate_size, c.hidden_size}, false);
    store.declare(p + "mlp.down_proj.weight", {c.hidden_size, c.intermediate_size});
  }
  store.declare("model.norm.weight", {c.hidden_size});
  if (!c.tie_word_embeddings) store.declare("lm_head.weight", {c.vocab_size, c.hidden_size});
  store.end_part();
}

}  // namespace

void declare_tower(ParameterStore& store, const VisionConfig& c) {
  store.declare("visual.patch_embed.proj.weight",
                {c.hidden_size, c.in_channels, c.temporal_patch_size, c.patch_size, c.patch_size});
  for (int64_t i = 0; i < c.depth; ++i) {
    const auto p = block_prefix(i);
    store.declare(p + "norm1.weight", {c.hidden_size});
    store.declare(p + "attn.qkv.weight", {3 * c.hidden_size, c.hidden_size});
    store.declare(p + "attn.qkv.bias", {3 * c.hidden_size});
    store.declare(p + "attn.proj.weight", {c.hidden_size, c.hidden_size});
    store.declare(p + "attn.proj.bias", {c.hidden_size});
    store.declare(p + "norm2.weight", {c.hidden_size});
    store.declare(p + "mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size});
    store.declare(p + "mlp.up_proj.weight", {c.intermediate_size, c.hidden_size}, false);
    store.declare(p + "mlp.gate_proj.bias", {c.intermediate_size});
    store.declare(p + "mlp.up_proj.bias", {c.intermediate_size}, false);
    store.declare(p + "mlp.down_proj.weight", {c.hidden_size, c.intermediate_size});
    store.declare(p + "mlp.down_proj.bias", {c.hidden_size});
  }
}

void declare_weights(ParameterStore& store, const Config& config) {
  declare_tower(store, config.vision);
  declare_merger(store, config.vision);
  store.end_part();
  declare_language(store, config.text);
}

VisionWeights tower_weights(const ParameterStore& store, const VisionConfig& c) {
  VisionWeights w;
  w.patch_embed = store.fused("visual.patch_embed.proj.weight", {c.hidden_size, c.patch_numel()});
  for (int64_t i = 0; i < c.depth; ++i) {
    const auto p = block_prefix(i);
    w.blocks.push_back({store.param(p + "norm1.weight"), store.param(p + "attn.qkv.weight"),
                        store.param(p + "attn.qkv.bias"), store.param(p + "attn.proj.weight"),
                        store.param(p + "attn.proj.bias"), store.param(p + "norm2.weight"),
                        store.fused(p + "mlp.gate_proj.weight", {2 * c.intermediate_size, c.hidden_size}),
                        store.fused(p + "mlp.gate_proj.bias", {2 * c.intermediate_size}),
                        store.param(p + "mlp.down_proj.weight"), store.param(p + "mlp.down_proj.bias")});
  }
  return w;
}

VisionWeights vision_weights(const ParameterStore& store, const VisionConfig& c) {
  auto w = tower_weights(store, c);
  w.merger_norm = store.param("visual.merger.ln_q.weight");
  w.merger_fc1 = store.param("visual.merger.mlp.0.weight");
  w.merger_fc1_bias = store.param("visual.merger.mlp.0.bias");
  w.merger_fc2 = store.param("visual.merger.mlp.2.weight");
  w.merger_fc2_bias = store.param("visual.merger.mlp.2.bias");
  return w;
}

LanguageWeights language_weights(const ParameterStore& store, const TextConfig& c) {
  const int64_t q = c.num_heads * c.head_size, kv = c.num_kv_heads * c.head_size;
  LanguageWeights w;
  w.embed_tokens = store.param("model.embed_tokens.weight");
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const auto p = layer_prefix(i);
    w.layers.push_back({store.param(p + "input_layernorm.weight"),
                        store.fused(p + "self_attn.q_proj.weight", {q + 2 * kv, c.hidden_size}),
                        store.fused(p + "self_attn.q_proj.bias", {q + 2 * kv}),
                        store.param(p + "self_attn.o_proj.weight"), store.param(p + "post_attention_layernorm.weight"),
                        store.fused(p + "mlp.gate_proj.weight", {2 * c.intermediate_size, c.hidden_size}),
                        store.param(p + "mlp.down_proj.weight")});
  }
  w.norm = store.param("model.norm.weight");
  w.head = c.tie_word_embeddings ? w.embed_tokens : store.param("lm_head.weight");
  return w;
}

}  // namespace papo::qwen2_5_vl
