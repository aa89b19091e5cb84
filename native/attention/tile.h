// The loops that decode attention is made of, on tiles of up to kTileQueries queries.
// Keys come transposed ([E, keys], leading dimension `ld`) where scores are taken and row-major ([keys, E padded])
// where they are summed, so that every inner loop runs along contiguous memory.
#pragma once

#include "core/vec.h"

namespace papo {

inline constexpr int kTileQueries = 8;

namespace detail {

// scores[q][j] = sum_e query[q][e] * keys_t[e * ld + j] for j in [0, count); reads and writes whole pairs of vectors,
// so the rows of keys_t and of scores must reach up to count rounded up to 2 vectors.
template <class T, int NQ>
void scores_tile(const T* const* query, const T* keys_t, int64_t ld, int64_t count, int64_t head_size, T* scores,
                 int64_t score_ld) {
  constexpr int64_t kW = kLanes<T>;
  for (int64_t j = 0; j < count; j += 2 * kW) {
    Vec<T> low[NQ] = {}, high[NQ] = {};
    const T* column = keys_t + j;
    for (int64_t e = 0; e < head_size; ++e, column += ld) {
      const Vec<T> k0 = load(column), k1 = load(column + kW);
      for (int q = 0; q < NQ; ++q) {
        low[q] += k0 * query[q][e];
        high[q] += k1 * query[q][e];
      }
    }
    for (int q = 0; q < NQ; ++q) {
      store(scores + q * score_ld + j, low[q]);
      store(scores + q * score_ld + j + kW, high[q]);
    }
  }
}

// out[q][e] += sum_j weights[q][j] * values[j * ld + e] for j in [0, count), e in [0, padded), a multiple of a vector.
template <class T, int NQ>
void weighted_sum_tile(const T* weights, int64_t weight_ld, const T* values, int64_t ld, int64_t count, int64_t padded,
                       T* const* out) {
  constexpr int64_t kW = kLanes<T>;
  int64_t e = 0;
  for (; e + 2 * kW <= padded; e += 2 * kW) {
    Vec<T> low[NQ], high[NQ];
    for (int q = 0; q < NQ; ++q) low[q] = load(out[q] + e), high[q] = load(out[q] + e + kW);
    for (int64_t j = 0; j < count; ++j) {
      const Vec<T> v0 = load(values + j * ld + e), v1 = load(values + j * ld + e + kW);
      for (int q = 0; q < NQ; ++q) {
        const T w = weights[q * weight_ld + j];
        low[q] += v0 * w;
        high[q] += v1 * w;
      }
    }
    for (int q = 0; q < NQ; ++q) store(out[q] + e, low[q]), store(out[q] + e + kW, high[q]);
  }
  for (; e < padded; e += kW) {
    Vec<T> low[NQ];
    for (int q = 0; q < NQ; ++q) low[q] = load(out[q] + e);
    for (int64_t j = 0; j < count; ++j) {
      const Vec<T> v0 = load(values + j * ld + e);
      for (int q = 0; q < NQ; ++q) low[q] += v0 * weights[q * weight_ld + j];
    }
    for (int q = 0; q < NQ; ++q) store(out[q] + e, low[q]);
  }
}

// Calls fn with the number of queries as a compile-time constant.
template <class Fn>
void with_tile_size(int num_queries, const Fn& fn) {
  switch (num_queries) {
    case 1:
      return fn(std::integral_constant<int, 1>{});
    case 2:
      return fn(std::integral_constant<int, 2>{});
    case 3:
      return fn(std::integral_constant<int, 3>{});
    case 4:
      return fn(std::integral_constant<int, 4>{});
    case 5:
      return fn(std::integral_constant<int, 5>{});
    case 6:
      return fn(std::integral_constant<int, 6>{});
    case 7:
      return fn(std::integral_constant<int, 7>{});
    default:
      return fn(std::integral_constant<int, 8>{});
  }
}

}  // namespace detail

template <class T>
void attention_scores(int num_queries, const T* const* query, const T* keys_t, int64_t ld, int64_t count,
                      int64_t head_size, T* scores, int64_t score_ld) {
  detail::with_tile_size(
      num_queries, [&](auto n) { detail::scores_tile<T, n()>(query, keys_t, ld, count, head_size, scores, score_ld); });
}

template <class T>
void weighted_sum(int num_queries, const T* weights, int64_t weight_ld, const T* values, int64_t ld, int64_t count,
                  int64_t padded, T* const* out) {
  detail::with_tile_size(num_queries, [&](auto n) {
    detail::weighted_sum_tile<T, n()>(weights, weight_ld, values, ld, count, padded, out);
  });
}

// scores[j] = exp(scores[j] - shift) for j in [0, count), and their sum; writes whole vectors.
template <class T>
T exp_and_sum(T* scores, int64_t count, T shift) {
  constexpr int64_t kW = kLanes<T>;
  Vec<T> sum = {};
  int64_t j = 0;
  for (; j + kW <= count; j += kW) {
    const Vec<T> e = vexp(load(scores + j) - shift);
    store(scores + j, e);
    sum += e;
  }
  T total = horizontal_sum<T>(sum);
  if (j < count) {
    const Vec<T> e = vexp(load(scores + j) - shift);
    store(scores + j, e);
    for (int64_t lane = 0; j + lane < count; ++lane) total += e[lane];
  }
  return total;
}

}  // namespace papo
