// A part of decode attention in float32, on the arithmetic units. Scores: a warp takes one query at a time of those it
// owns, a lane a key of the tile. Values: a thread owns eight numbers of the output of a few queries. Keys go through
// shared memory because lanes read them by row; values are read by whole rows and need not.
#pragma once

#include "kernels/decode_parts.cuh"

namespace papo::kernels {

// How a block is laid out for heads of E numbers.
template <int E>
struct PartsF32 {
  static constexpr int kThreads = 256, kWarps = kThreads / kWarp;
  static constexpr int kTileKeys = kWarp;
  static constexpr int kQueriesPerWarp = kMaxSharedQueries / kWarps;
  static constexpr int kPieces = E / 4;           // of 16 bytes in a key
  static constexpr int kKeyStride = kPieces + 1;  // odd, so that lanes do not meet in a bank
  static constexpr int kLoads = ceil_div(kTileKeys * kPieces, kThreads);
  static constexpr int kShares = E / kEight;          // threads that share a query's output
  static constexpr int kGroups = kThreads / kShares;  // queries at a time
  static constexpr int kPerGroup = ceil_div(kMaxSharedQueries, kGroups);
  static_assert(E % kEight == 0);
};

PAPO_DEVICE void add_products(float& sum, const float4& key, const float4& query) {
  sum += key.x * query.x;
  sum += key.y * query.y;
  sum += key.z * query.z;
  sum += key.w * query.w;
}

// A block an item and key/value head. At most 128 registers and 48 KiB: 2 blocks an SM at the least.
template <int E>
__global__ void __launch_bounds__(PartsF32<E>::kThreads, 2) decode_parts_f32_kernel(DecodeAttention<float> p) {
  using S = PartsF32<E>;
  PAPO_SHARED(float4, queries, kMaxSharedQueries * S::kPieces);
  PAPO_SHARED(float4, keys, S::kTileKeys * S::kKeyStride);
  PAPO_SHARED(float4, weights, kMaxSharedQueries * S::kTileKeys / 4);
  PAPO_SHARED(float, rescale, kMaxSharedQueries);
  const int thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp;
  const DecodeItem item = p.items[blockIdx.x];
  if (item.num_rows == 0) return;
  const int kv_head = blockIdx.y, num_queries = item.num_rows * (p.heads / p.kv_heads);
  const int64_t token_stride = static_cast<int64_t>(p.kv_heads) * E;

  const float scale = rsqrtf(static_cast<float>(E));
  for (int i = thread; i < num_queries * S::kPieces; i += S::kThreads) {
    const float* query = query_at(p, item, kv_head, i / S::kPieces);
    const Lanes<float> q = load_vector(query + i % S::kPieces * 4);
    queries[i] = make_float4(q[0] * scale, q[1] * scale, q[2] * scale, q[3] * scale);
  }

  const int group = thread / S::kShares, share = thread % S::kShares;
  float top[S::kQueriesPerWarp], sum[S::kQueriesPerWarp];  // of the warp's queries: warp, warp + kWarps, ...
  Eight out[S::kPerGroup] = {};                            // of the queries group, group + kGroups, ...
#pragma unroll
  for (int i = 0; i < S::kQueriesPerWarp; ++i) {
    top[i] = -INFINITY;
    sum[i] = 0;
  }

  // The next tile of keys is on its way in registers while this one is used.
  float4 next[S::kLoads];
  const auto fetch = [&](int begin) {
    const float* from = tile_at(p, item, p.prompt_keys, p.key_pages, item.first_key + begin, kv_head, token_stride);
#pragma unroll
    for (int i = 0; i < S::kLoads; ++i) {
      const int at = thread + i * S::kThreads, key = at / S::kPieces, piece = at % S::kPieces;
      next[i] = make_float4(0, 0, 0, 0);
      if (key < S::kTileKeys && begin + key < item.num_keys)
        next[i] = *reinterpret_cast<const float4*>(from + key * token_stride + piece * 4);
    }
  };
  fetch(0);
  for (int begin = 0; begin < item.num_keys; begin += S::kTileKeys) {
    const int num_keys = item.num_keys - begin < S::kTileKeys ? item.num_keys - begin : S::kTileKeys;
#pragma unroll
    for (int i = 0; i < S::kLoads; ++i) {
      const int at = thread + i * S::kThreads;
      if (at < S::kTileKeys * S::kPieces) keys[at / S::kPieces * S::kKeyStride + at % S::kPieces] = next[i];
    }
    __syncthreads();
    if (begin + S::kTileKeys < item.num_keys) fetch(begin + S::kTileKeys);

    float score[S::kQueriesPerWarp] = {};
#pragma unroll 4
    for (int piece = 0; piece < S::kPieces; ++piece) {
      const float4 key = keys[lane * S::kKeyStride + piece];
#pragma unroll
      for (int i = 0; i < S::kQueriesPerWarp; ++i) {
        const int query = warp + i * S::kWarps;
        if (query >= num_queries) break;
        add_products(score[i], key, queries[query * S::kPieces + piece]);
      }
    }
#pragma unroll
    for (int i = 0; i < S::kQueriesPerWarp; ++i) {
      const int query = warp + i * S::kWarps;
      if (query >= num_queries) break;
      const float own = lane < num_keys ? score[i] : -INFINITY;
      const float new_top = fmaxf(top[i], warp_max(own));
      const float base = finite_base(new_top);
      const float weight = __expf(own - base), shrink = __expf(top[i] - base);
      top[i] = new_top;
      sum[i] = sum[i] * shrink + warp_sum(weight);
      // Four keys' weights in one store.
      const int source = lane * 4 % kWarp;
      const float a = __shfl_sync(kAllLanes, weight, source), b = __shfl_sync(kAllLanes, weight, source + 1);
      const float c = __shfl_sync(kAllLanes, weight, source + 2), d = __shfl_sync(kAllLanes, weight, source + 3);
      if (lane < S::kTileKeys / 4) weights[query * (S::kTileKeys / 4) + lane] = make_float4(a, b, c, d);
      if (lane == 0) rescale[query] = shrink;
    }
    __syncthreads();

    if (group >= S::kGroups) continue;
    const float* values =
        tile_at(p, item, p.prompt_values, p.value_pages, item.first_key + begin, kv_head, token_stride) +
        share * kEight;
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
        const float4 weight = weights[query * (S::kTileKeys / 4) + first / 4];
#pragma unroll
        for (int j = 0; j < kEight; ++j)
          out[i][j] +=
              weight.x * value[0][j] + weight.y * value[1][j] + weight.z * value[2][j] + weight.w * value[3][j];
      }
    }
  }

  const PartOutput to = part_output(p);
#pragma unroll
  for (int i = 0; i < S::kQueriesPerWarp; ++i) {
    const int query = warp + i * S::kWarps;
    if (query >= num_queries || lane != 0) break;
    to.maxima[part_place(p, item, kv_head, query)] = top[i];
    to.totals[part_place(p, item, kv_head, query)] = sum[i];
  }
#pragma unroll
  for (int i = 0; i < S::kPerGroup; ++i) {
    const int query = group + i * S::kGroups;
    if (group >= S::kGroups || query >= num_queries) break;
    store_eight(to.values + part_place(p, item, kv_head, query) * E + share * kEight, out[i]);
  }
}

}  // namespace papo::kernels
