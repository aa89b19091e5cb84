#include "rollout/decoder.h"

#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace papo {

using namespace qwen2_5_vl;

Decoder::Decoder(const Policy& policy)
    : policy_(policy),
      shape_{policy.config.text.num_layers, policy.config.text.num_kv_heads, policy.config.text.head_size},
      head_(policy.language.head) {
  for (const auto& w : policy.language.layers)
    layers_.push_back({RowLinear(w.qkv, w.qkv_bias), RowLinear(w.o), RowLinear(w.gate_up), RowLinear(w.down)});
}

PrefilledPrompt Decoder::prefill(const PromptInput& prompt) const {
  const auto rows = embed_prompts(policy_, {{&prompt, nullptr}}).front();
  const auto count = static_cast<int64_t>(rows.positions.rows.size());
  check(count > 0, "prefill", "a prompt has no tokens");
  auto plan = std::make_shared<AttentionPlan>();
  append_group(*plan, count, {});
  auto kv = std::make_shared<PromptKv>(shape_, count);
  const auto sink = [&](int64_t layer, const at::Tensor& k_PKE, const at::Tensor& v_PKE) {
    kv->fill(layer, k_PKE, v_PKE);
  };
  const auto tables = text_rope(rows.positions.rows, policy_.config.text, rows.embeds_PD.scalar_type());
  const auto last = at::full({1}, count - 1, at::kLong);
  const auto hidden =
      decode_rows(rows.embeds_PD, {plan, tables, last}, policy_.language, policy_.config.text, false, sink);
  return {std::move(kv), rows.positions.next, hidden};
}

at::Tensor Decoder::step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens) const {
  const auto& text = policy_.config.text;
  std::vector<std::array<int64_t, 3>> positions;
  std::vector<DecodeRow> rows;
  for (auto* response : responses) {
    const int64_t position = response->prompt->next_position + response->kv.num_tokens();
    positions.push_back({position, position, position});
    response->kv.grow();
    rows.push_back({response->prompt->kv.get(), &response->kv});
  }
  auto x = policy_.language.embed_tokens.value.index_select(0, at::tensor(tokens, at::kLong));
  const auto tables = text_rope(positions, text, x.scalar_type());
  for (int64_t layer = 0; layer < text.num_layers; ++layer) {
    poll_cancel();
    const auto& weights = policy_.language.layers[layer];
    const auto& products = layers_[layer];
    const auto heads =
        products.qkv(rms_norm(x, weights.input_norm, text.rms_norm_eps)).view({x.size(0), -1, text.head_size});
    const auto rotated = rope(heads.narrow(1, 0, text.num_heads + text.num_kv_heads), tables.cos_TE, tables.sin_TE);
    const auto q = rotated.narrow(1, 0, text.num_heads).to(at::kFloat).contiguous();
    const auto k = rotated.narrow(1, text.num_heads, text.num_kv_heads).to(at::kFloat).contiguous();
    const auto v = heads.narrow(1, text.num_heads + text.num_kv_heads, text.num_kv_heads).to(at::kFloat).contiguous();
    const int64_t row_size = text.num_kv_heads * text.head_size;
    for (size_t i = 0; i < responses.size(); ++i)
      responses[i]->kv.write(layer, k.data_ptr<float>() + i * row_size, v.data_ptr<float>() + i * row_size);
    x = x + products.o(decode_attention(q, rows, shape_, layer).to(x.scalar_type()).flatten(1));
    x = x + products.down(swiglu(products.gate_up(rms_norm(x, weights.post_norm, text.rms_norm_eps))));
  }
  return rms_norm(x, policy_.language.norm, text.rms_norm_eps);
}

at::Tensor Decoder::logits(const at::Tensor& hidden_MD) const { return head_(hidden_MD).to(at::kFloat); }

}  // namespace papo
