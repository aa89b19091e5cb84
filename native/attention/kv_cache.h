// Keys and values of a prompt (stored once a group) and of each response (in pages), laid out for decode attention:
// keys transposed, values padded to whole vectors, float32.
#pragma once

#include "core/torch_compat.h"

namespace papo {

inline constexpr int64_t kPageTokens = 64;

struct KvShape {
  int64_t num_layers, num_kv_heads, head_size;
  int64_t padded() const;  // head_size rounded up to whole vectors
};

// All prompt tokens of all layers.
class PromptKv {
 public:
  PromptKv(const KvShape& shape, int64_t num_tokens);
  static int64_t bytes(const KvShape& shape, int64_t num_tokens);
  // k_PKE and v_PKE [P, K, E] of one layer: the tokens from `first` on.
  void fill(int64_t layer, int64_t first, const at::Tensor& k_PKE, const at::Tensor& v_PKE);
  // Views [count, K, E] of the first tokens' keys and values.
  std::pair<at::Tensor, at::Tensor> rows(int64_t layer, int64_t count) const;
  int64_t num_tokens() const { return num_tokens_; }
  int64_t key_ld() const { return key_ld_; }
  const float* keys(int64_t layer, int64_t kv_head) const;    // [E, key_ld]
  const float* values(int64_t layer, int64_t kv_head) const;  // [P, padded]

 private:
  KvShape shape_;
  int64_t num_tokens_, key_ld_;
  at::Tensor keys_, values_;
};

// The tokens of one response so far.
class ResponseKv {
 public:
  explicit ResponseKv(const KvShape& shape) : shape_(shape) {}
  static int64_t bytes(const KvShape& shape, int64_t num_tokens);
  // Makes room for one more token; its keys and values are then written layer by layer.
  void grow();
  void write(int64_t layer, const float* k_KE, const float* v_KE);  // the newest token
  int64_t num_tokens() const { return num_tokens_; }
  int64_t num_pages() const { return static_cast<int64_t>(pages_.size()); }
  const float* keys(int64_t page, int64_t layer, int64_t kv_head) const;    // [E, kPageTokens]
  const float* values(int64_t page, int64_t layer, int64_t kv_head) const;  // [kPageTokens, padded]

 private:
  float* block(int64_t page, int64_t layer, int64_t kv_head) const;
  KvShape shape_;
  int64_t num_tokens_ = 0;
  std::vector<at::Tensor> pages_;
};

// One live response in a decode step.
struct DecodeRow {
  const PromptKv* prompt;
  const ResponseKv* own;  // its newest token is the row itself
};

// q_MHE float32 contiguous, rows of one prompt next to each other -> [M, H, E]: each row attends to its prompt and to
// its own tokens. The prompt's keys are read once for all rows of a prompt.
at::Tensor decode_attention(const at::Tensor& q_MHE, const std::vector<DecodeRow>& rows, const KvShape& shape,
                            int64_t layer);

}  // namespace papo
