// Attention of one decoding step over prompts that are stored once a group and pages that each response owns: the
// semantics of attention/decode_attention_cpu.cc. A prompt's keys and values are read once for all rows of its group
// and all query heads of a key/value head; chunks of keys run in parallel and are merged exactly.
//
// Layouts of one layer, T float or __nv_bfloat16, last dimension contiguous, everything 16-byte aligned:
//   q_MHE, out_MHE       [rows, H, E], rows of a group next to each other
//   prompt_keys, _values [groups] pointers to [prompt tokens, K, E]
//   key_pages, _values   [pages, kPageTokens, K, E], all responses' pages in one pool
//   page_table           [rows, max_pages] int32: where in the pool a row's i-th page is
#pragma once

#include <vector>

#include "kernels/platform.cuh"

namespace papo::kernels {

constexpr int kPageTokens = 64;
// Queries (rows x H / K) that share one reading of the keys. A larger group is cut; its parts are neighbours in the
// grid, so that the second reading finds the keys in L2.
constexpr int kMaxSharedQueries = 48;

// One block's work for each key/value head: keys [first_key, first_key + num_keys) of a group's prompt, or of the own
// tokens of `row` when group is -1, for the rows [row, row + num_rows). Its result is part `part` of each row. Items of
// no rows are idle blocks: with them, and num_parts above the plan's, steps of other lengths have the same launches.
struct DecodeItem {
  int32_t group, row, num_rows, first_key, num_keys, part;
};

struct DecodeGroup {
  int32_t prompt_tokens;
  std::vector<int32_t> own_tokens;  // of each row, the newest included
};

// What the caller copies to the device, once a step for all layers.
struct DecodePlan {
  std::vector<DecodeItem> items;
  std::vector<int32_t> first_part;  // [rows + 1]: a row's parts are [first_part[row], first_part[row + 1])
  int num_rows() const { return static_cast<int>(first_part.size()) - 1; }
  int num_parts() const { return first_part.back(); }
};

// chunk_keys: keys a block reads, a multiple of kPageTokens; about (keys of the batch x K) / (4 blocks x SMs) fills a
// device once, and more than 512 gains nothing. heads_per_kv = H / K, at most kMaxSharedQueries. Order of the parts,
// hence every bit of the result, depends on chunk_keys but not on the other groups.
DecodePlan plan_decode(const std::vector<DecodeGroup>& groups, int heads_per_kv, int chunk_keys);

template <class T>
struct DecodeAttention {
  const T* q_MHE;
  T* out_MHE;
  const T* const* prompt_keys;
  const T* const* prompt_values;
  const T* key_pages;
  const T* value_pages;
  const int32_t* page_table;
  int max_pages;
  const DecodeItem* items;    // the plan's, on the device
  const int32_t* first_part;  // likewise
  int num_items, num_rows, num_parts;
  int heads, kv_heads, head_size;  // head_size: 64, 80 or 128
  float* work;                     // decode_work_floats()
};

template <class T>
int64_t decode_work_floats(const DecodeAttention<T>& args) {
  return static_cast<int64_t>(args.num_parts) * args.heads * (args.head_size + 2);
}

// softmax(q k^T / sqrt(E)) v of each row over its prompt and its own tokens; query head h uses key/value head
// h / (H / K). Two launches. T: float or __nv_bfloat16; arithmetic is float32. cudaErrorInvalidValue for another head
// size, or H no multiple of K, or H / K > kMaxSharedQueries.
template <class T>
cudaError_t decode_attention(const DecodeAttention<T>& args, cudaStream_t stream);

KernelCost decode_attention_cost(const DecodePlan& plan, int heads, int kv_heads, int head_size, int bytes_per_number);

// Writes each row's newest token into its page. k_MKE and v_MKE [rows, K, E]; tokens_M [rows] int32: the token's place
// in its response, from 0. kv_size = K * E, a multiple of 16 bytes.
template <class T>
cudaError_t kv_write(const T* k_MKE, const T* v_MKE, const int32_t* tokens_M, const int32_t* page_table, int max_pages,
                     int rows, int kv_size, T* key_pages, T* value_pages, cudaStream_t stream);

KernelCost kv_write_cost(int rows, int kv_size, int bytes_per_number);

}  // namespace papo::kernels
