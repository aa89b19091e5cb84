#include <vector>

#include "attention/group_attention.h"
#include "attention/tile.h"
#include "core/parallel.h"

namespace papo {
namespace {

// A [rows, heads, E] tensor with contiguous rows of E.
template <class T>
struct Rows {
  T* data;
  int64_t row_stride, head_stride;
  explicit Rows(const at::Tensor& t) : data(t.data_ptr<T>()), row_stride(t.stride(0)), head_stride(t.stride(1)) {}
  T* at(int64_t row, int64_t head) const { return data + row * row_stride + head * head_stride; }
};

// One block's keys (or values) of one head, packed row-major or transposed.
template <class T>
struct Packed {
  std::vector<T> rows;        // [count, padded]
  std::vector<T> transposed;  // [E, ld]
  int64_t padded, ld;

  Packed(int64_t count, int64_t head_size)
      : padded(round_up(head_size, kLanes<T>)), ld(round_up(count, kLanes<T>) + 2 * kLanes<T>) {}
  void fill_rows(const Rows<T>& from, const AttentionPlan::Block& block, int64_t head, int64_t head_size) {
    rows.assign((block.end - block.begin) * padded, T(0));
    for (int64_t row = block.begin; row < block.end; ++row)
      std::copy_n(from.at(row, head), head_size, rows.data() + (row - block.begin) * padded);
  }
  void fill_transposed(const Rows<T>& from, const AttentionPlan::Block& block, int64_t head, int64_t head_size) {
    transposed.assign(head_size * ld, T(0));
    for (int64_t row = block.begin; row < block.end; ++row) {
      const T* values = from.at(row, head);
      for (int64_t e = 0; e < head_size; ++e) transposed[e * ld + row - block.begin] = values[e];
    }
  }
};

// Consecutive (row, head of the key/value group) queries that see the same two ranges, each up to its own end.
struct Tile {
  int count = 0;
  int64_t row[kTileQueries];
  int head[kTileQueries];
  int64_t first_begin, first_count, second_begin, second_count;  // relative to the block; the longest of the tile
  int64_t first_own[kTileQueries], second_own[kTileQueries];     // how many of them each query sees
};

// Cuts a block's queries into tiles and calls visit(tile), polling before each.
template <class Visit>
void for_each_tile(const AttentionPlan& plan, const AttentionPlan::Block& block, int heads_per_group,
                   const Visit& visit) {
  const auto use = [&](const Tile& tile) {
    poll_cancel();
    visit(tile);
  };
  Tile tile;
  for (int64_t row = block.begin; row < block.end; ++row) {
    const auto& r = plan.rows[row];
    for (int head = 0; head < heads_per_group; ++head) {
      const bool fits = tile.count > 0 && tile.count < kTileQueries &&
                        tile.first_begin == r.first_begin - block.begin &&
                        tile.second_begin == r.second_begin - block.begin;
      if (!fits) {
        if (tile.count > 0) use(tile);
        tile.count = 0;
        tile.first_begin = r.first_begin - block.begin;
        tile.second_begin = r.second_begin - block.begin;
        tile.first_count = tile.second_count = 0;
      }
      const int q = tile.count++;
      tile.row[q] = row;
      tile.head[q] = head;
      tile.first_own[q] = r.first_end - r.first_begin;
      tile.second_own[q] = r.second_end - r.second_begin;
      tile.first_count = std::max(tile.first_count, tile.first_own[q]);
      tile.second_count = std::max(tile.second_count, tile.second_own[q]);
    }
  }
  if (tile.count > 0) use(tile);
}

// One row of numbers a query: first keys from 0, second ones from second_offset(tile).
template <class T>
struct Scratch {
  std::vector<T> data;
  int64_t ld;
  explicit Scratch(int64_t keys) : ld(round_up(keys, 2 * kLanes<T>) + 4 * kLanes<T>) { data.resize(kTileQueries * ld); }
  T* row(int q) { return data.data() + q * ld; }
};

template <class T>
int64_t second_offset(const Tile& tile) {
  return round_up(tile.first_count, 2 * kLanes<T>);
}

// dots[q][j] = queries[q] . keys[j] over both ranges.
template <class T>
void tile_dots(const Tile& tile, const T* const* queries, const Packed<T>& keys, int64_t head_size, Scratch<T>& dots) {
  attention_scores<T>(tile.count, queries, keys.transposed.data() + tile.first_begin, keys.ld, tile.first_count,
                      head_size, dots.row(0), dots.ld);
  attention_scores<T>(tile.count, queries, keys.transposed.data() + tile.second_begin, keys.ld, tile.second_count,
                      head_size, dots.row(0) + second_offset<T>(tile), dots.ld);
}

// out[q] += sum_j weights[q][j] values[j] over both ranges.
template <class T>
void tile_weighted_sum(const Tile& tile, Scratch<T>& weights, const Packed<T>& values, T* const* out) {
  const int64_t padded = values.padded;
  weighted_sum<T>(tile.count, weights.row(0), weights.ld, values.rows.data() + tile.first_begin * padded, padded,
                  tile.first_count, padded, out);
  weighted_sum<T>(tile.count, weights.row(0) + second_offset<T>(tile), weights.ld,
                  values.rows.data() + tile.second_begin * padded, padded, tile.second_count, padded, out);
}

// target[j] += sum_q weights[q][j] rows[q] over both ranges.
template <class T>
void tile_outer_update(const Tile& tile, Scratch<T>& weights, const T* const* rows, std::vector<T>& target,
                       int64_t padded) {
  outer_update<T>(tile.count, weights.row(0), weights.ld, rows, tile.first_count, padded,
                  target.data() + tile.first_begin * padded, padded);
  outer_update<T>(tile.count, weights.row(0) + second_offset<T>(tile), weights.ld, rows, tile.second_count, padded,
                  target.data() + tile.second_begin * padded, padded);
}

// Zeroes what a query does not see of its tile's ranges.
template <class T>
void clear_unseen(const Tile& tile, int q, T* row) {
  std::fill(row + tile.first_own[q], row + tile.first_count, T(0));
  T* second = row + second_offset<T>(tile);
  std::fill(second + tile.second_own[q], second + tile.second_count, T(0));
}

template <class T>
T scale_and_max(T* scores, int64_t count, T scale, T top) {
  for (int64_t j = 0; j < count; ++j) {
    scores[j] *= scale;
    top = std::max(top, scores[j]);
  }
  return top;
}

template <class T>
void forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionPlan& plan, at::Tensor& out,
             at::Tensor& lse) {
  const int64_t heads = q.size(1), kv_heads = k.size(1), head_size = q.size(2);
  const int per_group = static_cast<int>(heads / kv_heads);
  const T scale = T(1) / std::sqrt(static_cast<T>(head_size));
  const Rows<T> query(q), key(k), value(v), output(out);
  T* lse_data = lse.data_ptr<T>();
  parallel_tasks(static_cast<int64_t>(plan.blocks.size()) * kv_heads, [&](int64_t task) {
    const auto& block = plan.blocks[task / kv_heads];
    const int64_t kv_head = task % kv_heads, count = block.end - block.begin;
    Packed<T> keys(count, head_size), values(count, head_size);
    keys.fill_transposed(key, block, kv_head, head_size);
    values.fill_rows(value, block, kv_head, head_size);
    Scratch<T> weights(2 * count);
    std::vector<T> sums(kTileQueries * values.padded);
    for_each_tile(plan, block, per_group, [&](const Tile& tile) {
      const T* queries[kTileQueries];
      T* out_rows[kTileQueries];
      for (int i = 0; i < tile.count; ++i) {
        queries[i] = query.at(tile.row[i], kv_head * per_group + tile.head[i]);
        out_rows[i] = sums.data() + i * values.padded;
      }
      tile_dots(tile, queries, keys, head_size, weights);
      std::fill(sums.begin(), sums.end(), T(0));
      T total[kTileQueries];
      for (int i = 0; i < tile.count; ++i) {
        T* first = weights.row(i);
        T* second = first + second_offset<T>(tile);
        T top = scale_and_max(first, tile.first_own[i], scale, -std::numeric_limits<T>::infinity());
        top = scale_and_max(second, tile.second_own[i], scale, top);
        total[i] = exp_and_sum(first, tile.first_own[i], top) + exp_and_sum(second, tile.second_own[i], top);
        clear_unseen(tile, i, first);
        lse_data[tile.row[i] * heads + kv_head * per_group + tile.head[i]] = top + std::log(total[i]);
      }
      tile_weighted_sum(tile, weights, values, out_rows);
      for (int i = 0; i < tile.count; ++i) {
        T* target = output.at(tile.row[i], kv_head * per_group + tile.head[i]);
        for (int64_t e = 0; e < head_size; ++e) target[e] = out_rows[i][e] / total[i];
      }
    });
  });
}

template <class T>
void backward(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
              const at::Tensor& out, const at::Tensor& lse, const AttentionPlan& plan, AttentionGrads& grads) {
  const int64_t heads = q.size(1), kv_heads = k.size(1), head_size = q.size(2);
  const int per_group = static_cast<int>(heads / kv_heads);
  const T scale = T(1) / std::sqrt(static_cast<T>(head_size));
  const Rows<T> query(q), key(k), value(v), output(out), grad_output(grad_out);
  const Rows<T> grad_query(grads.q_THE), grad_key(grads.k_TKE), grad_value(grads.v_TKE);
  const T* lse_data = lse.data_ptr<T>();
  parallel_tasks(static_cast<int64_t>(plan.blocks.size()) * kv_heads, [&](int64_t task) {
    const auto& block = plan.blocks[task / kv_heads];
    const int64_t kv_head = task % kv_heads, count = block.end - block.begin;
    Packed<T> keys(count, head_size), values(count, head_size);
    keys.fill_rows(key, block, kv_head, head_size);
    keys.fill_transposed(key, block, kv_head, head_size);
    values.fill_transposed(value, block, kv_head, head_size);
    const int64_t padded = keys.padded;
    std::vector<T> key_sums(count * padded, T(0)), value_sums(count * padded, T(0));
    Scratch<T> weights(2 * count), dots(2 * count);
    std::vector<T> query_rows(kTileQueries * padded, T(0)), out_grads(kTileQueries * padded, T(0)),
        query_grads(kTileQueries * padded);
    for_each_tile(plan, block, per_group, [&](const Tile& tile) {
      const T *query_of[kTileQueries], *out_grad_of[kTileQueries];
      T* query_grad_of[kTileQueries];
      for (int i = 0; i < tile.count; ++i) {
        const int64_t head = kv_head * per_group + tile.head[i];
        std::copy_n(query.at(tile.row[i], head), head_size, query_rows.data() + i * padded);
        std::copy_n(grad_output.at(tile.row[i], head), head_size, out_grads.data() + i * padded);
        query_of[i] = query_rows.data() + i * padded;
        out_grad_of[i] = out_grads.data() + i * padded;
        query_grad_of[i] = query_grads.data() + i * padded;
      }
      tile_dots(tile, query_of, keys, head_size, weights);    // scores, then probabilities
      tile_dots(tile, out_grad_of, values, head_size, dots);  // gradient of the probabilities, then of the scores
      for (int i = 0; i < tile.count; ++i) {
        const int64_t head = kv_head * per_group + tile.head[i], row = tile.row[i];
        const T* out_row = output.at(row, head);
        T delta = 0;
        for (int64_t e = 0; e < head_size; ++e) delta += out_grad_of[i][e] * out_row[e];
        const std::pair<int64_t, int64_t> ranges[] = {{0, tile.first_own[i]},
                                                      {second_offset<T>(tile), tile.second_own[i]}};
        for (const auto& [begin, own] : ranges) {
          T* p = weights.row(i) + begin;
          T* d = dots.row(i) + begin;
          for (int64_t j = 0; j < own; ++j) p[j] *= scale;
          exp_and_sum(p, own, lse_data[row * heads + head]);
          for (int64_t j = 0; j < own; ++j) d[j] = p[j] * (d[j] - delta) * scale;
        }
        clear_unseen(tile, i, weights.row(i));
        clear_unseen(tile, i, dots.row(i));
      }
      std::fill(query_grads.begin(), query_grads.end(), T(0));
      tile_weighted_sum(tile, dots, keys, query_grad_of);
      for (int i = 0; i < tile.count; ++i)
        std::copy_n(query_grad_of[i], head_size, grad_query.at(tile.row[i], kv_head * per_group + tile.head[i]));
      tile_outer_update(tile, dots, query_of, key_sums, padded);
      tile_outer_update(tile, weights, out_grad_of, value_sums, padded);
    });
    for (int64_t j = 0; j < count; ++j) {
      std::copy_n(key_sums.data() + j * padded, head_size, grad_key.at(block.begin + j, kv_head));
      std::copy_n(value_sums.data() + j * padded, head_size, grad_value.at(block.begin + j, kv_head));
    }
  });
}

}  // namespace

void group_attention_forward_cpu(const at::Tensor& q_THE, const at::Tensor& k_TKE, const at::Tensor& v_TKE,
                                 const AttentionPlan& plan, at::Tensor& out_THE, at::Tensor& lse_TH) {
  if (q_THE.scalar_type() == at::kDouble) return forward<double>(q_THE, k_TKE, v_TKE, plan, out_THE, lse_TH);
  forward<float>(q_THE, k_TKE, v_TKE, plan, out_THE, lse_TH);
}

AttentionGrads group_attention_backward_cpu(const at::Tensor& grad_out_THE, const at::Tensor& q_THE,
                                            const at::Tensor& k_TKE, const at::Tensor& v_TKE, const at::Tensor& out_THE,
                                            const at::Tensor& lse_TH, const AttentionPlan& plan) {
  // Gradients of the fused projection [T, H + 2K, E], handed out as slices, so that it needs no concatenation later.
  const int64_t heads = q_THE.size(1), kv_heads = k_TKE.size(1);
  auto fused = at::empty({q_THE.size(0), heads + 2 * kv_heads, q_THE.size(2)}, q_THE.options());
  AttentionGrads grads{fused.narrow(1, 0, heads), fused.narrow(1, heads, kv_heads),
                       fused.narrow(1, heads + kv_heads, kv_heads)};
  auto run = q_THE.scalar_type() == at::kDouble ? backward<double> : backward<float>;
  run(grad_out_THE, q_THE, k_TKE, v_TKE, out_THE, lse_TH, plan, grads);
  return grads;
}

}  // namespace papo
