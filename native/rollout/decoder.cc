#include "rollout/decoder.h"

#include "rollout/cpu_decoder.h"

namespace papo {

using namespace qwen2_5_vl;

std::unique_ptr<CachedPrompt> Decoder::open(const PromptInput& input) const {
  const auto num_tokens = static_cast<int64_t>(input.ids.size());
  check(num_tokens > 0, "prefill", "a prompt has no tokens");
  auto prompt = make_prompt(num_tokens);
  prompt->num_tokens = num_tokens;
  prompt->rows = embed_prompts(policy_, {{&input, nullptr}}).front();
  prompt->next_position = prompt->rows.positions.next;
  return prompt;
}

void Decoder::prefill(CachedPrompt& prompt, int64_t max_rows) const {
  const auto& text = policy_.config.text;
  const int64_t first = prompt.num_prefilled, count = std::min(max_rows, prompt.num_tokens - first);
  const auto plan = plan_chunk(first, count);
  const auto from = prompt.rows.positions.rows.begin() + first;
  const auto embeds_PD = prompt.rows.embeds_PD.narrow(0, first, count);
  const auto tables = text_rope({from, from + count}, text, embeds_PD.scalar_type());
  const auto last = to_device(std::vector<int64_t>{count - 1});
  const auto attend = [&](int64_t layer, const at::Tensor& qkv_PGE) {
    return chunk_attention(keep_rows(prompt, layer, first, split_heads(qkv_PGE, text.num_heads)), *plan);
  };
  const auto hidden_1D =
      decode_rows(embeds_PD, {nullptr, tables, last}, policy_.language, text, /*num_recomputed=*/0, attend);
  prompt.num_prefilled += count;
  if (!prompt.prefilled()) return;
  prompt.last_hidden_1D = hidden_1D;
  prompt.rows = {};
}

Error SampleRow::failed(const Error& error) const {
  const std::string text = std::string(error.what()).substr(("[" + error.op + "] ").size());
  return {error.code, error.op, "response " + std::to_string(response) + " to " + *example_id + ": " + text};
}

std::vector<std::array<int64_t, 3>> next_positions(const std::vector<DecodingResponse*>& responses) {
  std::vector<std::array<int64_t, 3>> positions;
  for (const auto* response : responses) {
    const int64_t position = response->prompt->next_position + response->num_tokens;
    positions.push_back({position, position, position});
  }
  return positions;
}

std::unique_ptr<Decoder> make_decoder(const Policy& policy) {
  if (runs_kernels(policy.options.dtype)) return make_device_decoder(policy);
  return std::make_unique<CpuDecoder>(policy);
}

}  // namespace papo
