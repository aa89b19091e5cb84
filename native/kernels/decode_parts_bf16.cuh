// A part of decode attention in bfloat16, on the tensor cores: rows of the products are the queries, so that a group's
// 40 or so queries meet each key while it is in registers. Keys and values go from memory straight into fragments, each
// exactly once: a warp scores its 16 keys of the tile for all queries, then sums its columns of the values over all
// keys of the tile. Inside a product the order of e, and of output columns, is free as long as both operands agree; it
// is chosen so that a lane's numbers are neighbours in memory.
#pragma once

#include "kernels/decode_parts.cuh"
#include "kernels/mma.cuh"

namespace papo::kernels {

template <int E>
struct PartsBf16 {
  static constexpr int kWarps = 4, kThreads = kWarps * kWarp;
  static constexpr int kTileKeys = 16 * kWarps;
  static constexpr int kRowTiles = kMaxSharedQueries / 16;
  // A lane's 16 bytes of a key or query are two steps of 16 e: piece `chunk` holds e = 32 chunk + 8t ... + 7.
  static constexpr int kChunks = ceil_div(E, 32);
  static constexpr int kQueryStride = kChunks * 4 % 8 == 4 ? kChunks * 4 : kChunks * 4 + 4;  // lanes in other banks
  static constexpr int kWeightStride = kTileKeys / 2 + 4;                                    // likewise
  // Columns of the values in units of 8 x kColumnTiles: column g of tile j is e = unit begin + kColumnTiles g + j.
  static constexpr int kColumnTiles = E % 128 == 0 ? 4 : 2;
  static constexpr int kUnit = 8 * kColumnTiles;
  static constexpr int kUnitsPerWarp = ceil_div(E / kUnit, kWarps);
  static_assert(E % 16 == 0 && kMaxSharedQueries % 16 == 0);
};

// `count` pairs of bfloat16 from aligned memory.
PAPO_DEVICE void load_pairs(unsigned (&pairs)[1], const __nv_bfloat16* from) {
  pairs[0] = *reinterpret_cast<const unsigned*>(from);
}
PAPO_DEVICE void load_pairs(unsigned (&pairs)[2], const __nv_bfloat16* from) {
  const uint2 both = *reinterpret_cast<const uint2*>(from);
  pairs[0] = both.x;
  pairs[1] = both.y;
}
// Number j of two lists of pairs, as a pair.
PAPO_DEVICE unsigned zip(const unsigned* first, const unsigned* second, int j) {
  const unsigned a = first[j / 2], b = second[j / 2];
  return j % 2 == 0 ? (a & 0xFFFFu) | (b << 16) : (a >> 16) | (b & 0xFFFF0000u);
}

// A block an item and key/value head. At most 168 registers: 3 blocks an SM; heads of 80 need some more.
template <int E>
__global__ void __launch_bounds__(PartsBf16<E>::kThreads, E == 80 ? 2 : 3)
    decode_parts_bf16_kernel(DecodeAttention<__nv_bfloat16> p) {
  using S = PartsBf16<E>;
  PAPO_SHARED(uint4, queries, kMaxSharedQueries * S::kQueryStride);
  PAPO_SHARED(unsigned, weights, kMaxSharedQueries* S::kWeightStride);  // pairs of keys
  PAPO_SHARED(float, of_warps, S::kWarps* kMaxSharedQueries);
  const int thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp, g = lane / 4, t = lane % 4;
  const DecodeItem item = p.items[blockIdx.x];
  if (item.num_rows == 0) return;
  const int kv_head = blockIdx.y, num_queries = item.num_rows * (p.heads / p.kv_heads);
  const int row_tiles = ceil_div(num_queries, 16);
  const int64_t token_stride = static_cast<int64_t>(p.kv_heads) * E;
  const float scale = rsqrtf(static_cast<float>(E));

  // Rows up to a whole tile and e up to a whole chunk are 0.
  for (int i = thread; i < row_tiles * 16 * S::kChunks * 4; i += S::kThreads) {
    const int query = i / (S::kChunks * 4), piece = i % (S::kChunks * 4);
    uint4 eight = make_uint4(0, 0, 0, 0);
    if (query < num_queries && piece * kEight < E)
      eight = *reinterpret_cast<const uint4*>(query_at(p, item, kv_head, query) + piece * kEight);
    queries[query * S::kQueryStride + piece] = eight;
  }

  // A lane's rows are 16 m + g and 16 m + 8 + g; `top` is the same in all warps, `sum` the lane's own keys only.
  float top[S::kRowTiles][2], sum[S::kRowTiles][2] = {};
  float out[S::kUnitsPerWarp][S::kColumnTiles][S::kRowTiles][4] = {};
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) top[m][0] = top[m][1] = -INFINITY;

  uint4 keys[2][S::kChunks];
  const auto fetch_keys = [&](int begin) {
    const __nv_bfloat16* from =
        tile_at(p, item, p.prompt_keys, p.key_pages, item.first_key + begin, kv_head, token_stride);
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const int key = warp * 16 + n * 8 + g;
#pragma unroll
      for (int chunk = 0; chunk < S::kChunks; ++chunk) {
        const int e = chunk * 32 + t * kEight;
        keys[n][chunk] = make_uint4(0, 0, 0, 0);
        if (begin + key < item.num_keys && e < E)
          keys[n][chunk] = *reinterpret_cast<const uint4*>(from + key * token_stride + e);
      }
    }
  };
  fetch_keys(0);
  __syncthreads();
  for (int begin = 0; begin < item.num_keys; begin += S::kTileKeys) {
    const int num_keys = item.num_keys - begin;  // in the tile and after
    float score[S::kRowTiles][2][4] = {};
#pragma unroll
    for (int chunk = 0; chunk < S::kChunks; ++chunk) {
#pragma unroll
      for (int m = 0; m < S::kRowTiles; ++m) {
        if (m >= row_tiles) break;
        const uint4 upper = queries[(m * 16 + g) * S::kQueryStride + chunk * 4 + t];
        const uint4 lower = queries[(m * 16 + 8 + g) * S::kQueryStride + chunk * 4 + t];
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          const uint4& key = keys[n][chunk];
          mma_16x8x16(score[m][n], {upper.x, lower.x, upper.y, lower.y}, {key.x, key.y});
          mma_16x8x16(score[m][n], {upper.z, lower.z, upper.w, lower.w}, {key.z, key.w});
        }
      }
    }

#pragma unroll
    for (int m = 0; m < S::kRowTiles; ++m) {
      if (m >= row_tiles) break;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float largest = -INFINITY;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            float& own = score[m][n][half * 2 + i];
            if (warp * 16 + n * 8 + t * 2 + i >= num_keys) own = -INFINITY;
            largest = fmaxf(largest, own);
          }
        }
        largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
        if (t == 0) of_warps[warp * kMaxSharedQueries + m * 16 + half * 8 + g] = largest;
      }
    }
    __syncthreads();
#pragma unroll
    for (int m = 0; m < S::kRowTiles; ++m) {
      if (m >= row_tiles) break;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = m * 16 + half * 8 + g;
        float new_top = top[m][half];
#pragma unroll
        for (int other = 0; other < S::kWarps; ++other)
          new_top = fmaxf(new_top, of_warps[other * kMaxSharedQueries + row]);
        const float base = finite_base(new_top);
        const float shrink = __expf((top[m][half] - base) * scale);
        top[m][half] = new_top;
        sum[m][half] *= shrink;
#pragma unroll
        for (int unit = 0; unit < S::kUnitsPerWarp; ++unit) {
#pragma unroll
          for (int j = 0; j < S::kColumnTiles; ++j) {
            out[unit][j][m][half * 2] *= shrink;
            out[unit][j][m][half * 2 + 1] *= shrink;
          }
        }
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          const float first = __expf((score[m][n][half * 2] - base) * scale);
          const float second = __expf((score[m][n][half * 2 + 1] - base) * scale);
          sum[m][half] += first + second;
          weights[row * S::kWeightStride + warp * 8 + n * 4 + t] = pack_bfloat16(first, second);
        }
      }
    }
    __syncthreads();
    if (begin + S::kTileKeys < item.num_keys) fetch_keys(begin + S::kTileKeys);

    const __nv_bfloat16* values =
        tile_at(p, item, p.prompt_values, p.value_pages, item.first_key + begin, kv_head, token_stride);
#pragma unroll
    for (int unit = 0; unit < S::kUnitsPerWarp; ++unit) {
      const int first_e = (warp + unit * S::kWarps) * S::kUnit;
      if (first_e >= E) break;
#pragma unroll
      for (int step = 0; step < S::kTileKeys / 16; ++step) {
        unsigned value[4][S::kColumnTiles / 2];  // of keys 2t, 2t+1, 2t+8, 2t+9
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          // Past the last key its weight is 0, and any value that exists will do.
          const int key = step * 16 + t * 2 + k % 2 + k / 2 * 8;
          load_pairs(value[k],
                     values + (key < num_keys ? key : num_keys - 1) * token_stride + first_e + g * S::kColumnTiles);
        }
#pragma unroll
        for (int m = 0; m < S::kRowTiles; ++m) {
          if (m >= row_tiles) break;
          const int upper = (m * 16 + g) * S::kWeightStride + step * 8 + t, lower = upper + 8 * S::kWeightStride;
          const unsigned weight[4] = {weights[upper], weights[lower], weights[upper + 4], weights[lower + 4]};
#pragma unroll
          for (int j = 0; j < S::kColumnTiles; ++j)
            mma_16x8x16(out[unit][j][m], weight, {zip(value[0], value[1], j), zip(value[2], value[3], j)});
        }
      }
    }
  }

  const PartOutput to = part_output(p);
#pragma unroll
  for (int m = 0; m < S::kRowTiles; ++m) {
    if (m >= row_tiles) break;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = m * 16 + half * 8 + g;
      float total = sum[m][half];
      total += __shfl_xor_sync(kAllLanes, total, 1);
      total += __shfl_xor_sync(kAllLanes, total, 2);
      if (t == 0) of_warps[warp * kMaxSharedQueries + query] = total;
      if (query >= num_queries) continue;
      const int64_t place = part_place(p, item, kv_head, query);
      if (warp == 0 && t == 0) to.maxima[place] = top[m][half] * scale;
#pragma unroll
      for (int unit = 0; unit < S::kUnitsPerWarp; ++unit) {
        const int first_e = (warp + unit * S::kWarps) * S::kUnit + 2 * t * S::kColumnTiles;
        if ((warp + unit * S::kWarps) * S::kUnit >= E) break;
        // Columns 2t and 2t+1 of tile j: kColumnTiles neighbours each, one after the other.
        float row[2 * S::kColumnTiles];
#pragma unroll
        for (int j = 0; j < S::kColumnTiles; ++j) {
          row[j] = out[unit][j][m][half * 2];
          row[S::kColumnTiles + j] = out[unit][j][m][half * 2 + 1];
        }
#pragma unroll
        for (int i = 0; i < 2 * S::kColumnTiles; i += 4)
          store_vector(to.values + place * E + first_e + i, Lanes<float>{{row[i], row[i + 1], row[i + 2], row[i + 3]}});
      }
    }
  }
  __syncthreads();
  for (int query = thread; query < num_queries; query += S::kThreads) {
    float total = 0;
#pragma unroll
    for (int other = 0; other < S::kWarps; ++other) total += of_warps[other * kMaxSharedQueries + query];
    to.totals[part_place(p, item, kv_head, query)] = total;
  }
}

}  // namespace papo::kernels
