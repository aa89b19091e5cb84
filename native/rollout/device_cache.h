// Keys and values of a device as the projection gives them, [tokens, K, E]: a prompt's in tensors of its own,
// responses' in pages of one pool a layer.
#pragma once

#include "kernels/decode_attention.cuh"
#include "rollout/decoder.h"

namespace papo {

struct DevicePrompt : CachedPrompt {
  std::vector<at::Tensor> keys, values;  // [P, K, E] a layer
};

// Pages of all responses: [pages, kPageTokens, K, E] of keys and of values a layer.
class PagePool {
 public:
  // It doubles up to max_pages, and goes on in small steps when they are not enough.
  PagePool(const qwen2_5_vl::TextConfig& text, const at::TensorOptions& options, int64_t max_pages)
      : max_pages_(max_pages),
        shape_{0, kernels::kPageTokens, text.num_kv_heads, text.head_size},
        keys_(text.num_layers, at::empty(shape_, options)),
        values_(keys_),
        scratch_(take()) {}
  int32_t take() {
    if (free_.empty()) grow();
    const int32_t page = free_.back();
    free_.pop_back();
    return page;
  }
  void give_back(const std::vector<int32_t>& pages) { free_.insert(free_.end(), pages.begin(), pages.end()); }
  // The page of rows that no response has.
  int32_t scratch() const { return scratch_; }
  // Tensors stay where they are while this stays as it is.
  int64_t num_pages() const { return shape_[0]; }
  const at::Tensor& keys(int64_t layer) const { return keys_[layer]; }
  const at::Tensor& values(int64_t layer) const { return values_[layer]; }

 private:
  void grow() {
    const int64_t before = shape_[0];
    shape_[0] = std::max(before + 16, std::min(2 * before, max_pages_));
    for (auto* layers : {&keys_, &values_}) {
      for (auto& pages : *layers) {
        const auto larger = at::empty(shape_, pages.options());
        larger.narrow(0, 0, before).copy_(pages);
        pages = larger;
      }
    }
    for (int64_t page = shape_[0]; page-- > before;) free_.push_back(static_cast<int32_t>(page));
  }
  const int64_t max_pages_;
  std::vector<int64_t> shape_;
  std::vector<at::Tensor> keys_, values_;
  std::vector<int32_t> free_;
  int32_t scratch_;
};

struct DeviceResponse : DecodingResponse {
  DeviceResponse(const CachedPrompt& prompt, std::shared_ptr<PagePool> pool)
      : DecodingResponse(prompt), pool(std::move(pool)) {}
  ~DeviceResponse() override { pool->give_back(pages); }
  DeviceResponse(const DeviceResponse&) = delete;
  DeviceResponse& operator=(const DeviceResponse&) = delete;
  std::shared_ptr<PagePool> pool;
  std::vector<int32_t> pages;
};

}  // namespace papo
