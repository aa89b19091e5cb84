// Cached decoding with the policy's own weights: a prompt is prefilled once and shared by its responses.
#pragma once

#include "attention/kv_cache.h"
#include "model/qwen2_5_vl/policy.h"
#include "ops/row_linear.h"

namespace papo {

// A prefilled prompt.
struct PrefilledPrompt {
  std::shared_ptr<PromptKv> kv;
  int64_t next_position;
  at::Tensor last_hidden_1D;  // predicts the first response token
};

// A response being decoded.
struct DecodingResponse {
  const PrefilledPrompt* prompt;
  ResponseKv kv;
};

// The weights are laid out for decoding once, so it is to be made after they have changed.
class Decoder {
 public:
  explicit Decoder(const Policy& policy);
  const KvShape& kv_shape() const { return shape_; }

  // A pass of its own, so that its rounding does not depend on other prompts.
  PrefilledPrompt prefill(const PromptInput& prompt) const;
  // Feeds tokens[i] to responses[i] (those of one prompt next to each other) -> hidden states [M, D] that predict the
  // token after it. A row is the same, bit for bit, whatever other rows there are.
  at::Tensor step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens) const;
  // Logits [M, V] float32 of hidden states.
  at::Tensor logits(const at::Tensor& hidden_MD) const;

 private:
  const Policy& policy_;
  KvShape shape_;
  struct LayerProducts {
    RowLinear qkv, o, gate_up, down;
  };
  std::vector<LayerProducts> layers_;
  RowLinear head_;
};

}  // namespace papo
