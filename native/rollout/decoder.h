// Cached decoding with the policy's own weights: a prompt is prefilled once, chunk by chunk, and shared by its
// responses. What a device needs for it is behind this interface; the engine is the same for all.
#pragma once

#include "attention/chunk_attention.h"
#include "core/error.h"
#include "core/philox.h"
#include "model/qwen2_5_vl/policy.h"
#include "rollout/sampler.h"

namespace papo {

// A prompt whose keys and values are kept with it, those of its first `num_prefilled` rows so far.
struct CachedPrompt {
  virtual ~CachedPrompt() = default;
  int64_t num_tokens = 0, num_prefilled = 0;
  int64_t next_position = 0;
  PromptRows rows;            // while some are to be prefilled
  at::Tensor last_hidden_1D;  // once none is; predicts the first response token
  bool prefilled() const { return num_prefilled == num_tokens; }
};

// A response being decoded; the keys and values of its tokens are kept with it.
struct DecodingResponse {
  explicit DecodingResponse(const CachedPrompt& prompt) : prompt(&prompt) {}
  virtual ~DecodingResponse() = default;
  const CachedPrompt* prompt;
  int64_t num_tokens = 0;  // fed so far
};

// Which numbers a row of logits is sampled with, and whose it is.
struct SampleRow {
  const RandomStream* stream;
  uint64_t position;  // of the token in its response
  const std::string* example_id;
  int64_t response;                        // among those to its prompt
  Error failed(const Error& error) const;  // the same with the response before its text
};

struct SampledTokens {
  std::vector<int64_t> ids;
  std::vector<float>
      log_probs;  // under softmax(logits / temperature), whatever the cut; at temperature 0 of the logits
};

class Decoder {
 public:
  explicit Decoder(const Policy& policy) : policy_(policy) {}
  virtual ~Decoder() = default;

  // Embeds a prompt's rows, pictures and all, and makes room for their keys and values.
  std::unique_ptr<CachedPrompt> open(const PromptInput& input) const;
  // A pass over the prompt's next rows, at most max_rows; it has some left. A pass of its own, so that its rounding
  // does not depend on other prompts.
  void prefill(CachedPrompt& prompt, int64_t max_rows) const;
  virtual std::unique_ptr<DecodingResponse> begin(const CachedPrompt& prompt) = 0;
  // Feeds tokens[i] to responses[i] (those of one prompt next to each other) -> logits [M, V] float32 of the token
  // after it, good until the next step. On the CPU a row is the same, bit for bit, whatever other rows there are.
  virtual at::Tensor step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens) = 0;
  // Logits [M, V] float32 of hidden states.
  virtual at::Tensor logits(const at::Tensor& hidden_MD) const = 0;
  // One token a row. logits_MV may be used as work space. E_NONFINITE with the response whose logits are not finite.
  virtual SampledTokens sample(const at::Tensor& logits_MV, const std::vector<SampleRow>& rows,
                               const SamplingSpec& spec, const std::vector<int64_t>& forbidden_ids) = 0;

  // Bytes of the keys and values of so many tokens, and what the device has left for them.
  virtual int64_t prompt_bytes(int64_t num_tokens) const = 0;
  virtual int64_t response_bytes(int64_t num_tokens) const = 0;
  virtual int64_t available_bytes() const = 0;

 protected:
  virtual std::unique_ptr<CachedPrompt> make_prompt(int64_t num_tokens) const = 0;
  // Keeps a chunk's keys and values of one layer, those of the rows from `first` on -> the chunk's queries with the
  // keys and values of all rows up to its last.
  virtual QkvHeads keep_rows(CachedPrompt& prompt, int64_t layer, int64_t first, const QkvHeads& chunk) const = 0;

  const Policy& policy_;
};

// For the device that the policy is on. Weights are laid out for decoding once, so it is to be made after they have
// changed.
std::unique_ptr<Decoder> make_decoder(const Policy& policy);
// For the current device's kernels, which take heads of 64, 80 or 128 numbers; E_VALUE for another size.
std::unique_ptr<Decoder> make_device_decoder(const Policy& policy);

// Rotary rows of the tokens that are fed next.
std::vector<std::array<int64_t, 3>> next_positions(const std::vector<DecodingResponse*>& responses);

}  // namespace papo
