#include "rollout/decoder.h"

#include "rollout/cpu_decoder.h"

namespace papo {

using namespace qwen2_5_vl;

void prefill_prompt(const Policy& policy, const PromptInput& input, PrefilledPrompt& prompt, const KvSink& kv_sink) {
  const auto& text = policy.config.text;
  const auto rows = embed_prompts(policy, {{&input, nullptr}}).front();
  const auto count = static_cast<int64_t>(rows.positions.rows.size());
  check(count > 0, "prefill", "a prompt has no tokens");
  auto plan = std::make_shared<AttentionPlan>();
  append_group(*plan, count, {});
  const auto tables = text_rope(rows.positions.rows, text, rows.embeds_PD.scalar_type());
  const auto last = at::full({1}, count - 1, at::kLong);
  prompt.next_position = rows.positions.next;
  prompt.last_hidden_1D =
      decode_rows(rows.embeds_PD, {plan, tables, last}, policy.language, text, /*recompute=*/false, kv_sink);
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
