// What both kernels of decode_parts_*.cuh share: where keys are and where a part's result goes.
#pragma once

#include "kernels/decode_attention.cuh"
#include "kernels/softmax.cuh"
#include "kernels/wide.cuh"

namespace papo::kernels {

// Where the first of a tile's keys (or values) is; the next follow a token_stride apart. Tiles begin at a multiple of
// their size, which divides kPageTokens, so a tile lies in one page.
template <class T>
PAPO_DEVICE const T* tile_at(const DecodeAttention<T>& p, const DecodeItem& item, const T* const* prompts,
                             const T* pages, int key, int kv_head, int64_t token_stride) {
  if (item.group >= 0) return prompts[item.group] + key * token_stride + kv_head * p.head_size;
  const int64_t page = p.page_table[static_cast<int64_t>(item.row) * p.max_pages + key / kPageTokens];
  return pages + (page * kPageTokens + key % kPageTokens) * token_stride + kv_head * p.head_size;
}

struct PartOutput {
  float *values, *maxima, *totals;  // [parts, H, E] weighted sums of values, [parts, H] largest scores, sums of weights
};
template <class T>
PAPO_DEVICE PartOutput part_output(const DecodeAttention<T>& p) {
  const int64_t places = static_cast<int64_t>(p.num_parts) * p.heads;
  float* maxima = p.work + places * p.head_size;
  return {p.work, maxima, maxima + places};
}
// An item's queries are the (row, head) pairs of one key/value head, row after row. The place in [parts, H] of one:
template <class T>
PAPO_DEVICE int64_t part_place(const DecodeAttention<T>& p, const DecodeItem& item, int kv_head, int query) {
  const int per_kv = p.heads / p.kv_heads;
  const int64_t part = p.first_part[item.row + query / per_kv] + item.part;
  return part * p.heads + kv_head * per_kv + query % per_kv;
}
template <class T>
PAPO_DEVICE const T* query_at(const DecodeAttention<T>& p, const DecodeItem& item, int kv_head, int query) {
  const int per_kv = p.heads / p.kv_heads;
  const int64_t row = item.row + query / per_kv;
  return p.q_MHE + (row * p.heads + kv_head * per_kv + query % per_kv) * p.head_size;
}

}  // namespace papo::kernels
