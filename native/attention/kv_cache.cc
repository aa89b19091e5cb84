#include "attention/kv_cache.h"

#include "core/vec.h"

namespace papo {

int64_t KvShape::padded() const { return round_up(head_size, kLanes<float>); }

PromptKv::PromptKv(const KvShape& shape, int64_t num_tokens)
    : shape_(shape),
      num_tokens_(num_tokens),
      key_ld_(round_up(num_tokens, 2 * kLanes<float>)),
      // The last row of keys is read in whole pairs of vectors, which key_ld covers.
      keys_(at::zeros({shape.num_layers, shape.num_kv_heads, shape.head_size, key_ld_}, at::kFloat)),
      values_(at::zeros({shape.num_layers, shape.num_kv_heads, num_tokens, shape.padded()}, at::kFloat)) {}

int64_t PromptKv::bytes(const KvShape& shape, int64_t num_tokens) {
  const int64_t per_head = shape.head_size * round_up(num_tokens, 2 * kLanes<float>) + num_tokens * shape.padded();
  return shape.num_layers * shape.num_kv_heads * per_head * static_cast<int64_t>(sizeof(float));
}

void PromptKv::fill(int64_t layer, int64_t first, const at::Tensor& k_PKE, const at::Tensor& v_PKE) {
  const int64_t count = k_PKE.size(0);
  keys_[layer].narrow(2, first, count).copy_(k_PKE.permute({1, 2, 0}));
  values_[layer].narrow(1, first, count).narrow(2, 0, shape_.head_size).copy_(v_PKE.permute({1, 0, 2}));
}

std::pair<at::Tensor, at::Tensor> PromptKv::rows(int64_t layer, int64_t count) const {
  return {keys_[layer].narrow(2, 0, count).permute({2, 0, 1}),
          values_[layer].narrow(1, 0, count).narrow(2, 0, shape_.head_size).permute({1, 0, 2})};
}

const float* PromptKv::keys(int64_t layer, int64_t kv_head) const {
  return keys_.data_ptr<float>() + (layer * shape_.num_kv_heads + kv_head) * shape_.head_size * key_ld_;
}

const float* PromptKv::values(int64_t layer, int64_t kv_head) const {
  return values_.data_ptr<float>() + (layer * shape_.num_kv_heads + kv_head) * num_tokens_ * shape_.padded();
}

int64_t ResponseKv::bytes(const KvShape& shape, int64_t num_tokens) {
  const int64_t a_token = (shape.head_size + shape.padded()) * static_cast<int64_t>(sizeof(float));
  return shape.num_layers * shape.num_kv_heads * round_up(num_tokens, kPageTokens) * a_token;
}

void ResponseKv::grow() {
  if (num_tokens_ % kPageTokens == 0) {
    const int64_t per_head = kPageTokens * (shape_.head_size + shape_.padded());
    pages_.push_back(at::zeros({shape_.num_layers, shape_.num_kv_heads, per_head}, at::kFloat));
  }
  ++num_tokens_;
}

float* ResponseKv::block(int64_t page, int64_t layer, int64_t kv_head) const {
  const int64_t per_head = kPageTokens * (shape_.head_size + shape_.padded());
  return pages_[page].data_ptr<float>() + (layer * shape_.num_kv_heads + kv_head) * per_head;
}

const float* ResponseKv::keys(int64_t page, int64_t layer, int64_t kv_head) const {
  return block(page, layer, kv_head);
}

const float* ResponseKv::values(int64_t page, int64_t layer, int64_t kv_head) const {
  return block(page, layer, kv_head) + kPageTokens * shape_.head_size;
}

void ResponseKv::write(int64_t layer, const float* k_KE, const float* v_KE) {
  const int64_t token = num_tokens_ - 1, page = token / kPageTokens, place = token % kPageTokens;
  for (int64_t head = 0; head < shape_.num_kv_heads; ++head) {
    float* keys = block(page, layer, head);
    float* values = keys + kPageTokens * shape_.head_size + place * shape_.padded();
    for (int64_t e = 0; e < shape_.head_size; ++e) {
      keys[e * kPageTokens + place] = k_KE[head * shape_.head_size + e];
      values[e] = v_KE[head * shape_.head_size + e];
    }
  }
}

}  // namespace papo
