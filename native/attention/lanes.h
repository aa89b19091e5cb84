// The loops that group attention is made of. A tile of queries lies across the lanes of two vectors, keys and values
// are read as they are, one number at a time, so that softmax needs no sum across lanes and nothing is transposed but
// the queries: scores_KL [keys, lanes], queries and outputs [head size, lanes].
#pragma once

#include "core/vec.h"

namespace papo {

template <class T>
inline constexpr int64_t kTileLanes = 2 * kLanes<T>;

namespace detail {

template <class T, int Rows>
inline void dots_block(const T* queries_EL, const T* keys, int64_t head_size, T* scores_KL) {
  constexpr int64_t kW = kLanes<T>;
  Vec<T> low[Rows] = {}, high[Rows] = {};
  for (int64_t e = 0; e < head_size; ++e) {
    const Vec<T> q0 = load(queries_EL + e * 2 * kW), q1 = load(queries_EL + e * 2 * kW + kW);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const T k = keys[r * head_size + e];
      low[r] += q0 * k;
      high[r] += q1 * k;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    store(scores_KL + r * 2 * kW, low[r]);
    store(scores_KL + r * 2 * kW + kW, high[r]);
  }
}

template <class T, int Columns>
inline void weighted_block(const T* weights_KL, const T* values, int64_t count, int64_t head_size, T* out_EL) {
  constexpr int64_t kW = kLanes<T>;
  Vec<T> low[Columns], high[Columns];
#pragma GCC unroll 16
  for (int c = 0; c < Columns; ++c) low[c] = load(out_EL + c * 2 * kW), high[c] = load(out_EL + c * 2 * kW + kW);
  for (int64_t j = 0; j < count; ++j) {
    const Vec<T> w0 = load(weights_KL + j * 2 * kW), w1 = load(weights_KL + j * 2 * kW + kW);
#pragma GCC unroll 16
    for (int c = 0; c < Columns; ++c) {
      const T v = values[j * head_size + c];
      low[c] += w0 * v;
      high[c] += w1 * v;
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < Columns; ++c) store(out_EL + c * 2 * kW, low[c]), store(out_EL + c * 2 * kW + kW, high[c]);
}

template <class T, int Rows, int Vectors>
inline void outer_block(const T* weights_KL, const T* rows_LE, int64_t lanes, int64_t padded, T* target_KE) {
  constexpr int64_t kW = kLanes<T>;
  Vec<T> sums[Rows][Vectors] = {};
  for (int64_t lane = 0; lane < lanes; ++lane) {
    Vec<T> row[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) row[v] = load(rows_LE + lane * padded + v * kW);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const T w = weights_KL[r * 2 * kW + lane];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sums[r][v] += row[v] * w;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      T* to = target_KE + r * padded + v * kW;
      store(to, load(to) + sums[r][v]);
    }
  }
}

template <class T, int Vectors>
void outer_columns(const T* weights_KL, int64_t count, const T* rows_LE, int64_t lanes, int64_t padded, T* target_KE) {
  constexpr int64_t kL = kTileLanes<T>;
  int64_t j = 0;
  for (; j + 6 <= count; j += 6)
    outer_block<T, 6, Vectors>(weights_KL + j * kL, rows_LE, lanes, padded, target_KE + j * padded);
  for (; j < count; ++j)
    outer_block<T, 1, Vectors>(weights_KL + j * kL, rows_LE, lanes, padded, target_KE + j * padded);
}

}  // namespace detail

// scores_KL[j] = keys[j] . queries, for `count` keys [count, head_size].
template <class T>
void lane_dots(const T* queries_EL, const T* keys, int64_t count, int64_t head_size, T* scores_KL) {
  constexpr int64_t kL = kTileLanes<T>;
  int64_t j = 0;
  for (; j + 12 <= count; j += 12)
    detail::dots_block<T, 12>(queries_EL, keys + j * head_size, head_size, scores_KL + j * kL);
  for (; j + 4 <= count; j += 4)
    detail::dots_block<T, 4>(queries_EL, keys + j * head_size, head_size, scores_KL + j * kL);
  for (; j < count; ++j) detail::dots_block<T, 1>(queries_EL, keys + j * head_size, head_size, scores_KL + j * kL);
}

// out_EL += sum over `count` keys of weights_KL[j] * values[j], values [count, head_size].
template <class T>
void lane_weighted_sum(const T* weights_KL, const T* values, int64_t count, int64_t head_size, T* out_EL) {
  constexpr int64_t kL = kTileLanes<T>;
  int64_t e = 0;
  for (; e + 12 <= head_size; e += 12)
    detail::weighted_block<T, 12>(weights_KL, values + e, count, head_size, out_EL + e * kL);
  for (; e + 4 <= head_size; e += 4)
    detail::weighted_block<T, 4>(weights_KL, values + e, count, head_size, out_EL + e * kL);
  for (; e < head_size; ++e) detail::weighted_block<T, 1>(weights_KL, values + e, count, head_size, out_EL + e * kL);
}

// target_KE[j] += sum over `lanes` lanes of weights_KL[j][lane] * rows_LE[lane]; rows of `padded` numbers, a multiple
// of a vector.
template <class T>
void lane_outer_update(const T* weights_KL, int64_t count, const T* rows_LE, int64_t lanes, int64_t padded,
                       T* target_KE) {
  constexpr int64_t kW = kLanes<T>;
  int64_t e = 0;
  for (; e + 4 * kW <= padded; e += 4 * kW)
    detail::outer_columns<T, 4>(weights_KL, count, rows_LE + e, lanes, padded, target_KE + e);
  for (; e < padded; e += kW) detail::outer_columns<T, 1>(weights_KL, count, rows_LE + e, lanes, padded, target_KE + e);
}

}  // namespace papo
