#include "model/dinov2/weights.h"

namespace papo::dinov2 {
namespace {

constexpr const char* kEmbeddings = "embeddings.";
std::string layer_prefix(int64_t index) { return "encoder.layer." + std::to_string(index) + "."; }
std::string up_name(const Config& c) { return c.swiglu ? "mlp.weights_in" : "mlp.fc1"; }
std::string down_name(const Config& c) { return c.swiglu ? "mlp.weights_out" : "mlp.fc2"; }
int64_t up_size(const Config& c) { return (c.swiglu ? 2 : 1) * c.intermediate_size; }

}  // namespace

void declare_weights(ParameterStore& store, const Config& c) {
  const int64_t d = c.hidden_size;
  const std::string e = kEmbeddings;
  const auto declare_linear = [&](const std::string& name, int64_t out, int64_t in) {
    store.declare(name + ".weight", {out, in});
    store.declare(name + ".bias", {out});
  };
  const auto declare_norm = [&](const std::string& name) {
    store.declare(name + ".weight", {d});
    store.declare(name + ".bias", {d});
  };
  store.declare(e + "cls_token", {1, 1, d});
  if (c.num_registers > 0) store.declare(e + "register_tokens", {1, c.num_registers, d});
  store.declare(e + "position_embeddings", {1, 1 + c.position_side * c.position_side, d});
  store.declare(e + "patch_embeddings.projection.weight", {d, 3, c.patch_size, c.patch_size});
  store.declare(e + "patch_embeddings.projection.bias", {d});
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const auto p = layer_prefix(i), attention = p + "attention.attention.";
    declare_norm(p + "norm1");
    for (const char* part : {"query", "key", "value"})
      store.declare(attention + part + ".weight", {d, d}, part == std::string("query"));
    if (c.qkv_bias)
      for (const char* part : {"query", "key", "value"})
        store.declare(attention + part + ".bias", {d}, part == std::string("query"));
    declare_linear(p + "attention.output.dense", d, d);
    store.declare(p + "layer_scale1.lambda1", {d});
    declare_norm(p + "norm2");
    declare_linear(p + up_name(c), up_size(c), d);
    declare_linear(p + down_name(c), d, c.intermediate_size);
    store.declare(p + "layer_scale2.lambda1", {d});
  }
}

Weights weights_of(const ParameterStore& store, const Config& c) {
  const int64_t d = c.hidden_size;
  const std::string e = kEmbeddings;
  Weights w;
  w.class_token = store.fused(e + "cls_token", {1, d});
  if (c.num_registers > 0) w.register_tokens = store.fused(e + "register_tokens", {c.num_registers, d});
  w.positions = store.fused(e + "position_embeddings", {1 + c.position_side * c.position_side, d});
  w.patch_embed = store.fused(e + "patch_embeddings.projection.weight", {d, 3 * c.patch_size * c.patch_size});
  w.patch_embed_bias = store.param(e + "patch_embeddings.projection.bias");
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const auto p = layer_prefix(i), query = p + "attention.attention.query", out = p + "attention.output.dense";
    BlockWeights b;
    b.norm1 = store.param(p + "norm1.weight");
    b.norm1_bias = store.param(p + "norm1.bias");
    b.qkv = store.fused(query + ".weight", {3 * d, d});
    if (c.qkv_bias) b.qkv_bias = store.fused(query + ".bias", {3 * d});
    b.out = store.param(out + ".weight");
    b.out_bias = store.param(out + ".bias");
    b.scale1 = store.param(p + "layer_scale1.lambda1");
    b.norm2 = store.param(p + "norm2.weight");
    b.norm2_bias = store.param(p + "norm2.bias");
    b.up = store.param(p + up_name(c) + ".weight");
    b.up_bias = store.param(p + up_name(c) + ".bias");
    b.down = store.param(p + down_name(c) + ".weight");
    b.down_bias = store.param(p + down_name(c) + ".bias");
    b.scale2 = store.param(p + "layer_scale2.lambda1");
    w.blocks.push_back(std::move(b));
  }
  return w;
}

}  // namespace papo::dinov2
