#include "rollout/decoder.h"

#include "ops/rms_norm.h"

namespace papo {

using namespace qwen2_5_vl;

Decoder::Decoder(const Policy& policy)
    : policy_(policy),
      shape_{policy.config.text.num_layers, policy.config.text.num_kv_heads, policy.config.text.head_size} {}

std::vector<PrefilledPrompt> Decoder::prefill(const std::vector<const PromptInput*>& prompts) const {
  const auto rows = embed_prompts(policy_, prompts, prompt_pixels(prompts, nullptr));
  auto plan = std::make_shared<AttentionPlan>();
  std::vector<std::array<int64_t, 3>> positions;
  std::vector<at::Tensor> embeds;
  std::vector<PrefilledPrompt> out;
  for (const auto& prompt : rows) {
    const auto count = static_cast<int64_t>(prompt.positions.rows.size());
    check(count > 0, "prefill", "a prompt has no tokens");
    append_group(*plan, count, {});
    positions.insert(positions.end(), prompt.positions.rows.begin(), prompt.positions.rows.end());
    embeds.push_back(prompt.embeds_PD);
    out.push_back({std::make_shared<PromptKv>(shape_, count), prompt.positions.next, {}});
  }
  const auto x = at::cat(embeds, 0);
  const auto sink = [&](int64_t layer, const at::Tensor& k_TKE, const at::Tensor& v_TKE) {
    for (size_t i = 0; i < out.size(); ++i) {
      const auto& block = plan->blocks[i];
      out[i].kv->fill(layer, k_TKE.slice(0, block.begin, block.end), v_TKE.slice(0, block.begin, block.end));
    }
  };
  const auto hidden = decode_rows(x, plan, text_rope(positions, policy_.config.text, x.scalar_type()), policy_.language,
                                  policy_.config.text, false, sink);
  for (size_t i = 0; i < out.size(); ++i) out[i].last_hidden_1D = hidden.narrow(0, plan->blocks[i].end - 1, 1).clone();
  return out;
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
    const auto qkv = project_qkv(x, weights, text, tables);
    const auto q = qkv.q_THE.to(at::kFloat).contiguous(), k = qkv.k_TKE.to(at::kFloat).contiguous(),
               v = qkv.v_TKE.to(at::kFloat).contiguous();
    const int64_t row_size = text.num_kv_heads * text.head_size;
    for (size_t i = 0; i < responses.size(); ++i)
      responses[i]->kv.write(layer, k.data_ptr<float>() + i * row_size, v.data_ptr<float>() + i * row_size);
    x = finish_layer(x, decode_attention(q, rows, shape_, layer).to(x.scalar_type()), weights, text);
  }
  return rms_norm(x, policy_.language.norm, text.rms_norm_eps);
}

at::Tensor Decoder::logits(const at::Tensor& hidden_MD) const {
  return at::linear(hidden_MD, policy_.language.head.value).to(at::kFloat);
}

}  // namespace papo
