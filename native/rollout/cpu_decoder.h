// Decoding on the CPU: caches laid out for the vector loops of attention/decode_attention_cpu.cc, weights in panels.
#pragma once

#include "attention/kv_cache.h"
#include "ops/row_linear.h"
#include "rollout/decoder.h"

namespace papo {

class CpuDecoder : public Decoder {
 public:
  explicit CpuDecoder(const Policy& policy);
  std::unique_ptr<DecodingResponse> begin(const CachedPrompt& prompt) override;
  at::Tensor step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens) override;
  at::Tensor logits(const at::Tensor& hidden_MD) const override;
  SampledTokens sample(const at::Tensor& logits_MV, const std::vector<SampleRow>& rows, const SamplingSpec& spec,
                       const std::vector<int64_t>& forbidden_ids) override;
  int64_t prompt_bytes(int64_t num_tokens) const override { return PromptKv::bytes(shape_, num_tokens); }
  int64_t response_bytes(int64_t num_tokens) const override { return ResponseKv::bytes(shape_, num_tokens); }
  int64_t available_bytes() const override;

 protected:
  std::unique_ptr<CachedPrompt> make_prompt(int64_t num_tokens) const override;
  QkvHeads keep_rows(CachedPrompt& prompt, int64_t layer, int64_t first, const QkvHeads& chunk) const override;

 private:
  struct LayerProducts {
    RowLinear qkv, o, gate_up, down;
  };
  const bool keep_panels_;
  KvShape shape_;
  std::vector<LayerProducts> layers_;
  RowLinear head_;
};

}  // namespace papo
