// Scores: a warp takes a query at a time of those it owns, a lane a key of the tile. Values: a thread owns eight
// numbers of the output of a few queries. Keys go through shared memory because lanes read them by row; values are read
// by whole rows and need not.
#include "kernels/decode_attention.cuh"

#include "kernels/wide.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kTileKeys = kWarp;
constexpr int kQueriesPerWarp = kMaxSharedQueries / kWarps;

// How the block is laid out for heads of E numbers of T.
template <class T, int E>
struct Shape {
  static constexpr int kChunks = E / kVector<T>;  // 16-byte pieces of a key
  static constexpr int kKeyStride = kChunks + 1;  // odd, so that lanes do not meet in a bank
  static constexpr int kLoads = ceil_div(kTileKeys * kChunks, kThreads);
  static constexpr int kParts = E / kEight;          // threads that share a query's output
  static constexpr int kGroups = kThreads / kParts;  // queries at a time
  static constexpr int kPerGroup = ceil_div(kMaxSharedQueries, kGroups);
  static_assert(E % kEight == 0 && kChunks % 2 == 0);
};

// sum += eight numbers of a key times eight of a query. One piece of 16 bytes holds eight bfloat16, two eight floats.
PAPO_DEVICE void add_products(float& sum, const uint4 (&key)[1], const float4& first, const float4& second) {
  sum += __uint_as_float(key[0].x << 16) * first.x;
  sum += __uint_as_float(key[0].x & 0xFFFF0000u) * first.y;
  sum += __uint_as_float(key[0].y << 16) * first.z;
  sum += __uint_as_float(key[0].y & 0xFFFF0000u) * first.w;
  sum += __uint_as_float(key[0].z << 16) * second.x;
  sum += __uint_as_float(key[0].z & 0xFFFF0000u) * second.y;
  sum += __uint_as_float(key[0].w << 16) * second.z;
  sum += __uint_as_float(key[0].w & 0xFFFF0000u) * second.w;
}
PAPO_DEVICE void add_products(float& sum, const uint4 (&key)[2], const float4& first, const float4& second) {
  sum += __uint_as_float(key[0].x) * first.x;
  sum += __uint_as_float(key[0].y) * first.y;
  sum += __uint_as_float(key[0].z) * first.z;
  sum += __uint_as_float(key[0].w) * first.w;
  sum += __uint_as_float(key[1].x) * second.x;
  sum += __uint_as_float(key[1].y) * second.y;
  sum += __uint_as_float(key[1].z) * second.z;
  sum += __uint_as_float(key[1].w) * second.w;
}

// Where a tile's first key or value is, and that of the next `token_stride` further.
template <class T>
PAPO_DEVICE const T* tile_at(const DecodeAttention<T>& p, const DecodeItem& item, const T* const* prompts,
                             const T* pages, int key, int kv_head, int64_t token_stride) {
  if (item.group >= 0) return prompts[item.group] + key * token_stride + kv_head * p.head_size;
  // Tiles begin at multiples of kTileKeys, so a tile lies in one page.
  const int64_t page = p.page_table[static_cast<int64_t>(item.row) * p.max_pages + key / kPageTokens];
  return pages + (page * kPageTokens + key % kPageTokens) * token_stride + kv_head * p.head_size;
}

// A block an item and key/value head. At most 128 registers and 48 KiB: 2 blocks an SM at the least.
template <class T, int E>
__global__ void __launch_bounds__(kThreads, 2) decode_parts_kernel(DecodeAttention<T> p) {
  using S = Shape<T, E>;
  PAPO_SHARED(float4, queries, kMaxSharedQueries * E / 4);
  PAPO_SHARED(uint4, keys, kTileKeys * S::kKeyStride);
  PAPO_SHARED(float4, weights, kMaxSharedQueries * kTileKeys / 4);
  PAPO_SHARED(float, rescale, kMaxSharedQueries);
  const int thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp;
  const DecodeItem item = p.items[blockIdx.x];
  const int kv_head = blockIdx.y, per_kv = p.heads / p.kv_heads;
  const int num_queries = item.num_rows * per_kv;
  const int64_t token_stride = static_cast<int64_t>(p.kv_heads) * E;
  const int first_head = kv_head * per_kv;

  const float scale = rsqrtf(static_cast<float>(E));
  for (int i = thread; i < num_queries * S::kParts; i += kThreads) {
    const int query = i / S::kParts, part = i % S::kParts;
    const int64_t row = item.row + query / per_kv;
    const Eight q = load_eight(p.q_MHE + (row * p.heads + first_head + query % per_kv) * E + part * kEight);
    queries[query * (E / 4) + part * 2] = make_float4(q[0] * scale, q[1] * scale, q[2] * scale, q[3] * scale);
    queries[query * (E / 4) + part * 2 + 1] = make_float4(q[4] * scale, q[5] * scale, q[6] * scale, q[7] * scale);
  }

  const int group = thread / S::kParts, part = thread % S::kParts;
  float top[kQueriesPerWarp], sum[kQueriesPerWarp];  // of the warp's queries: warp, warp + kWarps, ...
  Eight out[S::kPerGroup] = {};                      // of the queries group, group + kGroups, ...
#pragma unroll
  for (int i = 0; i < kQueriesPerWarp; ++i) {
    top[i] = -INFINITY;
    sum[i] = 0;
  }

  // The next tile of keys is on its way in registers while this one is used.
  uint4 next[S::kLoads];
  const auto fetch = [&](int begin) {
    const T* from = tile_at(p, item, p.prompt_keys, p.key_pages, item.first_key + begin, kv_head, token_stride);
#pragma unroll
    for (int i = 0; i < S::kLoads; ++i) {
      const int at = thread + i * kThreads, key = at / S::kChunks, chunk = at % S::kChunks;
      next[i] = make_uint4(0, 0, 0, 0);
      if (key < kTileKeys && begin + key < item.num_keys)
        next[i] = *reinterpret_cast<const uint4*>(from + key * token_stride + chunk * kVector<T>);
    }
  };
  fetch(0);
  for (int begin = 0; begin < item.num_keys; begin += kTileKeys) {
    const int num_keys = item.num_keys - begin < kTileKeys ? item.num_keys - begin : kTileKeys;
#pragma unroll
    for (int i = 0; i < S::kLoads; ++i) {
      const int at = thread + i * kThreads;
      if (at < kTileKeys * S::kChunks) keys[at / S::kChunks * S::kKeyStride + at % S::kChunks] = next[i];
    }
    __syncthreads();
    if (begin + kTileKeys < item.num_keys) fetch(begin + kTileKeys);

    float score[kQueriesPerWarp] = {};
#pragma unroll 2
    for (int e = 0; e < E / kEight; ++e) {
      constexpr int kPieces = kEight / kVector<T>;
      uint4 key[kPieces];
#pragma unroll
      for (int j = 0; j < kPieces; ++j) key[j] = keys[lane * S::kKeyStride + e * kPieces + j];
#pragma unroll
      for (int i = 0; i < kQueriesPerWarp; ++i) {
        const int query = warp + i * kWarps;
        if (query >= num_queries) break;
        const float4 first = queries[query * (E / 4) + e * 2], second = queries[query * (E / 4) + e * 2 + 1];
        add_products(score[i], key, first, second);
      }
    }
#pragma unroll
    for (int i = 0; i < kQueriesPerWarp; ++i) {
      const int query = warp + i * kWarps;
      if (query >= num_queries) break;
      const float own = lane < num_keys ? score[i] : -INFINITY;
      const float new_top = fmaxf(top[i], warp_max(own));
      // Nothing but -inf so far: any finite base keeps exp at 0 instead of nan.
      const float base = new_top == -INFINITY ? 0.0f : new_top;
      const float weight = __expf(own - base), shrink = __expf(top[i] - base);
      top[i] = new_top;
      sum[i] = sum[i] * shrink + warp_sum(weight);
      // Four keys' weights in one store.
      const int source = lane * 4 % kWarp;
      const float a = __shfl_sync(kAllLanes, weight, source), b = __shfl_sync(kAllLanes, weight, source + 1);
      const float c = __shfl_sync(kAllLanes, weight, source + 2), d = __shfl_sync(kAllLanes, weight, source + 3);
      if (lane < kTileKeys / 4) weights[query * (kTileKeys / 4) + lane] = make_float4(a, b, c, d);
      if (lane == 0) rescale[query] = shrink;
    }
    __syncthreads();

    if (group < S::kGroups) {
      const T* values =
          tile_at(p, item, p.prompt_values, p.value_pages, item.first_key + begin, kv_head, token_stride) +
          part * kEight;
#pragma unroll
      for (int i = 0; i < S::kPerGroup; ++i) {
        const int query = group + i * S::kGroups;
        if (query >= num_queries) break;
        const float shrink = rescale[query];
#pragma unroll
        for (int j = 0; j < kEight; ++j) out[i][j] *= shrink;
      }
      for (int first = 0; first < num_keys; first += 4) {
        Eight value[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          // Past the last key its weight is 0, and any value that exists will do.
          const int key = first + k < num_keys ? first + k : num_keys - 1;
          value[k] = load_eight(values + key * token_stride);
        }
#pragma unroll
        for (int i = 0; i < S::kPerGroup; ++i) {
          const int query = group + i * S::kGroups;
          if (query >= num_queries) break;
          const float4 weight = weights[query * (kTileKeys / 4) + first / 4];
#pragma unroll
          for (int j = 0; j < kEight; ++j)
            out[i][j] +=
                weight.x * value[0][j] + weight.y * value[1][j] + weight.z * value[2][j] + weight.w * value[3][j];
        }
      }
    }
  }

  // work: [parts, H, E] sums of values, then [parts, H] largest scores, then [parts, H] sums of weights.
  float* maxima = p.work + static_cast<int64_t>(p.num_parts) * p.heads * E;
  float* totals = maxima + static_cast<int64_t>(p.num_parts) * p.heads;
  const auto place = [&](int query) {
    const int64_t slot = p.first_part[item.row + query / per_kv] + item.part;
    return slot * p.heads + first_head + query % per_kv;
  };
#pragma unroll
  for (int i = 0; i < kQueriesPerWarp; ++i) {
    const int query = warp + i * kWarps;
    if (query >= num_queries || lane != 0) break;
    maxima[place(query)] = top[i];
    totals[place(query)] = sum[i];
  }
#pragma unroll
  for (int i = 0; i < S::kPerGroup; ++i) {
    const int query = group + i * S::kGroups;
    if (group >= S::kGroups || query >= num_queries) break;
    store_eight(p.work + place(query) * E + part * kEight, out[i]);
  }
}

// A warp a row and head, eight numbers a lane; parts in their order.
template <class T>
__global__ void __launch_bounds__(kThreads) merge_parts_kernel(DecodeAttention<T> p) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  const int64_t row = index / p.heads, head = index % p.heads;
  const int e = threadIdx.x % kWarp * kEight;
  if (row >= p.num_rows || e >= p.head_size) return;
  const float* maxima = p.work + static_cast<int64_t>(p.num_parts) * p.heads * p.head_size;
  const float* totals = maxima + static_cast<int64_t>(p.num_parts) * p.heads;
  const int begin = p.first_part[row], end = p.first_part[row + 1];
  float top = -INFINITY;
  for (int part = begin; part < end; ++part) top = fmaxf(top, maxima[static_cast<int64_t>(part) * p.heads + head]);
  Eight out{};
  float total = 0;
  for (int part = begin; part < end; ++part) {
    const int64_t place = static_cast<int64_t>(part) * p.heads + head;
    const float share = __expf(maxima[place] - top);
    const Eight values = load_eight(p.work + place * p.head_size + e);
    total += share * totals[place];
#pragma unroll
    for (int j = 0; j < kEight; ++j) out[j] += share * values[j];
  }
#pragma unroll
  for (int j = 0; j < kEight; ++j) out[j] /= total;
  store_eight(p.out_MHE + index * p.head_size + e, out);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    kv_write_kernel(const T* k_MKE, const T* v_MKE, const int32_t* tokens_M, const int32_t* page_table, int max_pages,
                    int kv_size, T* key_pages, T* value_pages) {
  const int row = blockIdx.x, token = tokens_M[row];
  const int64_t page = page_table[static_cast<int64_t>(row) * max_pages + token / kPageTokens];
  const int64_t from = static_cast<int64_t>(row) * kv_size, to = (page * kPageTokens + token % kPageTokens) * kv_size;
#pragma unroll 1
  for (int i = threadIdx.x * kVector<T>; i < kv_size; i += kThreads * kVector<T>) {
    *reinterpret_cast<uint4*>(key_pages + to + i) = *reinterpret_cast<const uint4*>(k_MKE + from + i);
    *reinterpret_cast<uint4*>(value_pages + to + i) = *reinterpret_cast<const uint4*>(v_MKE + from + i);
  }
}

}  // namespace

DecodePlan plan_decode(const std::vector<DecodeGroup>& groups, int heads_per_kv, int chunk_keys) {
  DecodePlan plan;
  plan.first_part.push_back(0);
  const int rows_per_item = kMaxSharedQueries / heads_per_kv < 1 ? 1 : kMaxSharedQueries / heads_per_kv;
  int32_t group_row = 0;
  for (int32_t group = 0; group < static_cast<int32_t>(groups.size()); ++group) {
    const auto& [prompt_tokens, own_tokens] = groups[group];
    const int32_t rows = static_cast<int32_t>(own_tokens.size());
    const int32_t prompt_parts = ceil_div(prompt_tokens, chunk_keys);
    const auto chunks = [&](int32_t tokens, const auto& add) {
      for (int32_t key = 0; key < tokens; key += chunk_keys)
        add(key, tokens - key < chunk_keys ? tokens - key : chunk_keys);
    };
    chunks(prompt_tokens, [&](int32_t key, int32_t count) {
      for (int32_t row = 0; row < rows; row += rows_per_item)
        plan.items.push_back({group, group_row + row, rows - row < rows_per_item ? rows - row : rows_per_item, key,
                              count, key / chunk_keys});
    });
    for (int32_t row = 0; row < rows; ++row) {
      chunks(own_tokens[row], [&](int32_t key, int32_t count) {
        plan.items.push_back({-1, group_row + row, 1, key, count, prompt_parts + key / chunk_keys});
      });
      plan.first_part.push_back(plan.first_part.back() + prompt_parts + ceil_div(own_tokens[row], chunk_keys));
    }
    group_row += rows;
  }
  return plan;
}

template <class T>
cudaError_t decode_attention(const DecodeAttention<T>& args, cudaStream_t stream) {
  if (args.num_rows == 0) return cudaSuccess;
  if (args.heads % args.kv_heads != 0 || args.heads / args.kv_heads > kMaxSharedQueries) return cudaErrorInvalidValue;
  const dim3 grid(static_cast<unsigned>(args.num_items), static_cast<unsigned>(args.kv_heads));
  cudaError_t error = cudaErrorInvalidValue;
  if (args.head_size == 64) error = PAPO_LAUNCH((decode_parts_kernel<T, 64>), grid, kThreads, stream, args);
  if (args.head_size == 80) error = PAPO_LAUNCH((decode_parts_kernel<T, 80>), grid, kThreads, stream, args);
  if (args.head_size == 128) error = PAPO_LAUNCH((decode_parts_kernel<T, 128>), grid, kThreads, stream, args);
  if (error != cudaSuccess) return error;
  const int64_t warps = static_cast<int64_t>(args.num_rows) * args.heads;
  const unsigned blocks = static_cast<unsigned>(ceil_div<int64_t>(warps, kWarps));
  return PAPO_LAUNCH(merge_parts_kernel<T>, blocks, kThreads, stream, args);
}
template cudaError_t decode_attention(const DecodeAttention<float>&, cudaStream_t);
template cudaError_t decode_attention(const DecodeAttention<__nv_bfloat16>&, cudaStream_t);

KernelCost decode_attention_cost(const DecodePlan& plan, int heads, int kv_heads, int head_size, int bytes_per_number) {
  double keys = 0, pairs = 0;
  for (const auto& item : plan.items) {
    keys += item.num_keys;
    pairs += static_cast<double>(item.num_keys) * item.num_rows * heads;
  }
  const double queries = static_cast<double>(plan.num_rows()) * heads;
  const double parts = static_cast<double>(plan.num_parts()) * heads;
  return {2.0 * keys * kv_heads * head_size * bytes_per_number + 2.0 * queries * head_size * bytes_per_number +
              2.0 * parts * (head_size + 2) * 4,
          4.0 * pairs * head_size};
}

template <class T>
cudaError_t kv_write(const T* k_MKE, const T* v_MKE, const int32_t* tokens_M, const int32_t* page_table, int max_pages,
                     int rows, int kv_size, T* key_pages, T* value_pages, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  if (kv_size % kVector<T> != 0) return cudaErrorInvalidValue;
  return PAPO_LAUNCH(kv_write_kernel<T>, rows, kThreads, stream, k_MKE, v_MKE, tokens_M, page_table, max_pages, kv_size,
                     key_pages, value_pages);
}
template cudaError_t kv_write(const float*, const float*, const int32_t*, const int32_t*, int, int, int, float*, float*,
                              cudaStream_t);
template cudaError_t kv_write(const __nv_bfloat16*, const __nv_bfloat16*, const int32_t*, const int32_t*, int, int, int,
                              __nv_bfloat16*, __nv_bfloat16*, cudaStream_t);

KernelCost kv_write_cost(int rows, int kv_size, int bytes_per_number) {
  return {4.0 * rows * kv_size * bytes_per_number, 0};
}

}  // namespace papo::kernels
