// Group attention on the CPU, forward and backward: online softmax over blocks of keys (Milakov and Gimelshein, 2018;
// Dao et al., 2022), a tile of queries across the lanes (attention/lanes.h).
#include <vector>

#include "attention/group_attention.h"
#include "attention/lanes.h"
#include "core/parallel.h"

namespace papo {
namespace {

constexpr int64_t kKeyBlock = 96;  // keys whose scores are held at a time: 12 KiB, beside their keys and values in L1

// A [rows, heads, E] tensor with contiguous rows of E.
template <class T>
struct Rows {
  T* data;
  int64_t row_stride, head_stride;
  explicit Rows(const at::Tensor& t) : data(t.data_ptr<T>()), row_stride(t.stride(0)), head_stride(t.stride(1)) {}
  T* at(int64_t row, int64_t head) const { return data + row * row_stride + head * head_stride; }

  // One head's keys (or values) of a block, next to each other.
  std::vector<T> gather(const AttentionPlan::Block& block, int64_t head, int64_t head_size) const {
    std::vector<T> out((block.key_end - block.key_begin) * head_size);
    for (int64_t key = block.key_begin; key < block.key_end; ++key)
      std::copy_n(at(key, head), head_size, out.data() + (key - block.key_begin) * head_size);
    return out;
  }
};

// Consecutive (row, head of the key/value group) queries that see the same two ranges, each up to its own end.
template <class T>
struct Tile {
  struct Range {
    int64_t begin = 0;                 // relative to the block's keys
    int64_t count = 0, everyone = 0;   // keys that some query sees, keys that all see
    alignas(64) T own[kTileLanes<T>];  // how many each query sees; of an empty lane as many as there are
  };
  int64_t count = 0;
  int64_t row[kTileLanes<T>];
  int head[kTileLanes<T>];
  Range ranges[2];

  void begin(const AttentionPlan::Row& r, int64_t key_begin) {
    count = 0;
    ranges[0].begin = r.first_begin - key_begin;
    ranges[1].begin = r.second_begin - key_begin;
    for (auto& range : ranges) range.count = 0, range.everyone = std::numeric_limits<int64_t>::max();
  }
  void add(int64_t at_row, int at_head, const AttentionPlan::Row& r) {
    row[count] = at_row;
    head[count] = at_head;
    const int64_t seen[2] = {r.first_end - r.first_begin, r.second_end - r.second_begin};
    for (int i = 0; i < 2; ++i) {
      ranges[i].own[count] = static_cast<T>(seen[i]);
      ranges[i].count = std::max(ranges[i].count, seen[i]);
      ranges[i].everyone = std::min(ranges[i].everyone, seen[i]);
    }
    ++count;
  }
  void close() {
    for (auto& range : ranges)
      for (int64_t lane = count; lane < kTileLanes<T>; ++lane) range.own[lane] = static_cast<T>(range.count);
  }
  // Calls use(range, first, keys) for pieces of at most kKeyBlock keys, from `first` of the range on.
  template <class Use>
  void for_each_piece(const Use& use) const {
    for (const auto& range : ranges)
      for (int64_t first = 0; first < range.count; first += kKeyBlock)
        use(range, first, std::min(kKeyBlock, range.count - first));
  }
};

// Cuts the queries of rows [begin, end) of a block into tiles and calls use(tile), polling before each.
template <class T, class Use>
void for_each_tile(const AttentionPlan& plan, int64_t key_begin, int64_t begin, int64_t end, int heads_per_group,
                   const Use& use) {
  Tile<T> tile;
  const auto finish = [&] {
    if (tile.count == 0) return;
    poll_cancel();
    tile.close();
    use(tile);
    tile.count = 0;
  };
  for (int64_t row = begin; row < end; ++row) {
    const auto& r = plan.rows[row];
    for (int head = 0; head < heads_per_group; ++head) {
      const bool fits = tile.count > 0 && tile.count < kTileLanes<T> &&
                        tile.ranges[0].begin == r.first_begin - key_begin &&
                        tile.ranges[1].begin == r.second_begin - key_begin;
      if (!fits) {
        finish();
        tile.begin(r, key_begin);
      }
      tile.add(row, head, r);
    }
  }
  finish();
}

// The two vectors of a tile's lanes.
template <class T>
struct Lanes {
  Vec<T> low, high;
  static Lanes all(T value) { return {broadcast(value), broadcast(value)}; }
  static Lanes at(const T* from) { return {load(from), load(from + kLanes<T>)}; }
  void put(T* to) const { store(to, low), store(to + kLanes<T>, high); }
};

template <class T>
Vec<T> larger(Vec<T> a, Vec<T> b) {
  return a > b ? a : b;
}

// Scores of keys that a query does not see become -inf.
template <class T>
void hide_unseen(const typename Tile<T>::Range& range, int64_t first, int64_t keys, T* scores_KL) {
  const auto own = Lanes<T>::at(range.own);
  const auto nothing = broadcast(-std::numeric_limits<T>::infinity());
  for (int64_t j = std::max<int64_t>(0, range.everyone - first); j < keys; ++j) {
    const auto place = broadcast(static_cast<T>(first + j));
    auto row = Lanes<T>::at(scores_KL + j * kTileLanes<T>);
    row.low = place < own.low ? row.low : nothing;
    row.high = place < own.high ? row.high : nothing;
    row.put(scores_KL + j * kTileLanes<T>);
  }
}

// scores -> exp(scores - shift) per lane; their sum.
template <class T>
Lanes<T> exp_and_sum(T* scores_KL, int64_t keys, const Lanes<T>& shift) {
  auto sum = Lanes<T>::all(0);
  for (int64_t j = 0; j < keys; ++j) {
    auto row = Lanes<T>::at(scores_KL + j * kTileLanes<T>);
    row.low = vexp(row.low - shift.low);
    row.high = vexp(row.high - shift.high);
    row.put(scores_KL + j * kTileLanes<T>);
    sum.low += row.low;
    sum.high += row.high;
  }
  return sum;
}

// What a thread works on: scores of a piece of keys, queries and sums of a tile.
template <class T>
struct Scratch {
  std::vector<T> scores, dots;               // [kKeyBlock, lanes]
  std::vector<T> queries, out_grads, sums;   // [E, lanes]
  std::vector<T> query_rows, out_grad_rows;  // [lanes, padded]
  explicit Scratch(int64_t head_size, bool backward) {
    constexpr int64_t kL = kTileLanes<T>;
    const int64_t padded = round_up(head_size, kLanes<T>);
    scores.resize(kKeyBlock * kL);
    queries.assign(head_size * kL, T(0));
    sums.resize(head_size * kL);
    if (!backward) return;
    dots.resize(kKeyBlock * kL);
    out_grads.assign(head_size * kL, T(0));
    query_rows.assign(kL * padded, T(0));
    out_grad_rows.assign(kL * padded, T(0));
  }
};

template <class T>
class Kernel {
 public:
  Kernel(const QkvHeads& qkv, const at::Tensor& out, const at::Tensor& lse, const AttentionPlan& plan)
      : heads_(qkv.q_THE.size(1)),
        kv_heads_(qkv.k_TKE.size(1)),
        size_(qkv.q_THE.size(2)),
        per_group_(static_cast<int>(heads_ / kv_heads_)),
        scale_(T(1) / std::sqrt(static_cast<T>(size_))),
        query_(qkv.q_THE),
        key_(qkv.k_TKE),
        value_(qkv.v_TKE),
        out_(out),
        lse_(lse.data_ptr<T>()),
        plan_(plan) {}

  void forward() const {
    // A block is cut further where there are fewer than a few tasks a thread.
    const auto blocks = static_cast<int64_t>(plan_.blocks.size());
    const int64_t parts = std::max<int64_t>(1, 4 * at::get_num_threads() / std::max<int64_t>(1, blocks * kv_heads_));
    parallel_tasks(blocks * kv_heads_ * parts, [&](int64_t task) {
      const auto& block = plan_.blocks[task / (kv_heads_ * parts)];
      const int64_t kv_head = task / parts % kv_heads_, part = task % parts, length = block.end - block.begin;
      const int64_t begin = block.begin + length * part / parts, end = block.begin + length * (part + 1) / parts;
      const auto keys = key_.gather(block, kv_head, size_), values = value_.gather(block, kv_head, size_);
      Scratch<T> scratch(size_, false);
      for_each_tile<T>(plan_, block.key_begin, begin, end, per_group_,
                       [&](const Tile<T>& tile) { forward_tile(tile, kv_head, keys, values, scratch); });
    });
  }

  void backward(const at::Tensor& grad_out, const QkvHeads& grads) const {
    const Rows<T> out_grad(grad_out), query_grad(grads.q_THE), key_grad(grads.k_TKE), value_grad(grads.v_TKE);
    const int64_t padded = round_up(size_, kLanes<T>);
    parallel_tasks(static_cast<int64_t>(plan_.blocks.size()) * kv_heads_, [&](int64_t task) {
      const auto& block = plan_.blocks[task / kv_heads_];
      const int64_t kv_head = task % kv_heads_, length = block.key_end - block.key_begin;
      const auto keys = key_.gather(block, kv_head, size_), values = value_.gather(block, kv_head, size_);
      std::vector<T> key_sums(length * padded, T(0)), value_sums(length * padded, T(0));
      Scratch<T> scratch(size_, true);
      for_each_tile<T>(plan_, block.key_begin, block.begin, block.end, per_group_, [&](const Tile<T>& tile) {
        backward_tile(tile, kv_head, {keys, values, out_grad, query_grad}, scratch, key_sums, value_sums);
      });
      for (int64_t j = 0; j < length; ++j) {
        std::copy_n(key_sums.data() + j * padded, size_, key_grad.at(block.key_begin + j, kv_head));
        std::copy_n(value_sums.data() + j * padded, size_, value_grad.at(block.key_begin + j, kv_head));
      }
    });
  }

 private:
  int64_t head_of(const Tile<T>& tile, int64_t kv_head, int64_t lane) const {
    return kv_head * per_group_ + tile.head[lane];
  }

  // Rows of the tile's queries, times `factor`, across the lanes.
  void spread(const Tile<T>& tile, int64_t kv_head, const Rows<T>& from, T factor, std::vector<T>& to_EL) const {
    for (int64_t lane = 0; lane < tile.count; ++lane) {
      const T* row = from.at(tile.row[lane], head_of(tile, kv_head, lane));
      for (int64_t e = 0; e < size_; ++e) to_EL[e * kTileLanes<T> + lane] = row[e] * factor;
    }
  }

  void forward_tile(const Tile<T>& tile, int64_t kv_head, const std::vector<T>& keys, const std::vector<T>& values,
                    Scratch<T>& s) const {
    constexpr int64_t kL = kTileLanes<T>;
    spread(tile, kv_head, query_, scale_, s.queries);
    std::fill(s.sums.begin(), s.sums.end(), T(0));
    auto top = Lanes<T>::all(std::numeric_limits<T>::lowest()), total = Lanes<T>::all(0);
    tile.for_each_piece([&](const auto& range, int64_t first, int64_t count) {
      const int64_t at = (range.begin + first) * size_;
      T* scores = s.scores.data();
      lane_dots(s.queries.data(), keys.data() + at, count, size_, scores);
      hide_unseen<T>(range, first, count, scores);
      const auto before = top;
      for (int64_t j = 0; j < count; ++j) {
        const auto row = Lanes<T>::at(scores + j * kL);
        top = {larger<T>(top.low, row.low), larger<T>(top.high, row.high)};
      }
      const Lanes<T> shrink{vexp(before.low - top.low), vexp(before.high - top.high)};
      const auto sum = exp_and_sum<T>(scores, count, top);
      total = {total.low * shrink.low + sum.low, total.high * shrink.high + sum.high};
      for (int64_t e = 0; e < size_; ++e) {
        T* row = s.sums.data() + e * kL;
        const auto old = Lanes<T>::at(row);
        Lanes<T>{old.low * shrink.low, old.high * shrink.high}.put(row);
      }
      lane_weighted_sum(scores, values.data() + at, count, size_, s.sums.data());
    });
    alignas(64) T tops[kL], totals[kL];
    top.put(tops);
    total.put(totals);
    for (int64_t lane = 0; lane < tile.count; ++lane) {
      const int64_t head = head_of(tile, kv_head, lane);
      T* to = out_.at(tile.row[lane], head);
      const T share = T(1) / totals[lane];
      for (int64_t e = 0; e < size_; ++e) to[e] = s.sums[e * kL + lane] * share;
      lse_[tile.row[lane] * heads_ + head] = tops[lane] + std::log(totals[lane]);
    }
  }

  struct BackwardInputs {
    const std::vector<T>&keys, &values;
    const Rows<T>&out_grad, &query_grad;
  };

  void backward_tile(const Tile<T>& tile, int64_t kv_head, const BackwardInputs& in, Scratch<T>& s,
                     std::vector<T>& key_sums, std::vector<T>& value_sums) const {
    constexpr int64_t kL = kTileLanes<T>;
    const int64_t padded = round_up(size_, kLanes<T>);
    spread(tile, kv_head, query_, scale_, s.queries);
    spread(tile, kv_head, in.out_grad, T(1), s.out_grads);
    alignas(64) T lse_of[kL] = {}, delta_of[kL] = {};
    for (int64_t lane = 0; lane < tile.count; ++lane) {
      const int64_t row = tile.row[lane], head = head_of(tile, kv_head, lane);
      const T *q = query_.at(row, head), *grad = in.out_grad.at(row, head), *out = out_.at(row, head);
      T* query_row = s.query_rows.data() + lane * padded;
      for (int64_t e = 0; e < size_; ++e) query_row[e] = q[e] * scale_;
      std::copy_n(grad, size_, s.out_grad_rows.data() + lane * padded);
      lse_of[lane] = lse_[row * heads_ + head];
#pragma GCC ivdep
      for (int64_t e = 0; e < size_; ++e) delta_of[lane] += grad[e] * out[e];
    }
    const auto lse = Lanes<T>::at(lse_of), delta = Lanes<T>::at(delta_of);
    std::fill(s.sums.begin(), s.sums.end(), T(0));
    tile.for_each_piece([&](const auto& range, int64_t first, int64_t count) {
      const int64_t key = range.begin + first;
      T *p = s.scores.data(), *d = s.dots.data();
      lane_dots(s.queries.data(), in.keys.data() + key * size_, count, size_, p);
      hide_unseen<T>(range, first, count, p);
      exp_and_sum<T>(p, count, lse);
      lane_dots(s.out_grads.data(), in.values.data() + key * size_, count, size_, d);
      for (int64_t j = 0; j < count; ++j) {  // gradient of the scaled scores
        const auto probs = Lanes<T>::at(p + j * kL), dots = Lanes<T>::at(d + j * kL);
        Lanes<T>{probs.low * (dots.low - delta.low), probs.high * (dots.high - delta.high)}.put(d + j * kL);
      }
      lane_weighted_sum(d, in.keys.data() + key * size_, count, size_, s.sums.data());
      lane_outer_update(d, count, s.query_rows.data(), tile.count, padded, key_sums.data() + key * padded);
      lane_outer_update(p, count, s.out_grad_rows.data(), tile.count, padded, value_sums.data() + key * padded);
    });
    for (int64_t lane = 0; lane < tile.count; ++lane) {
      T* to = in.query_grad.at(tile.row[lane], head_of(tile, kv_head, lane));
      for (int64_t e = 0; e < size_; ++e) to[e] = s.sums[e * kL + lane] * scale_;
    }
  }

  const int64_t heads_, kv_heads_, size_;
  const int per_group_;
  const T scale_;
  const Rows<T> query_, key_, value_, out_;
  T* const lse_;
  const AttentionPlan& plan_;
};

}  // namespace

void group_attention_forward_cpu(const QkvHeads& qkv, const AttentionPlan& plan, const at::Tensor& out_THE,
                                 const at::Tensor& lse_TH) {
  if (qkv.q_THE.scalar_type() == at::kDouble) return Kernel<double>(qkv, out_THE, lse_TH, plan).forward();
  Kernel<float>(qkv, out_THE, lse_TH, plan).forward();
}

at::Tensor group_attention_backward_cpu(const at::Tensor& grad_out_THE, const QkvHeads& qkv, const at::Tensor& out_THE,
                                        const at::Tensor& lse_TH, const AttentionPlan& plan) {
  const int64_t heads = qkv.q_THE.size(1), kv_heads = qkv.k_TKE.size(1);
  const auto grad = at::empty({qkv.q_THE.size(0), heads + 2 * kv_heads, qkv.q_THE.size(2)}, qkv.q_THE.options());
  const auto grads = split_heads(grad, heads);
  if (grad.scalar_type() == at::kDouble)
    Kernel<double>(qkv, out_THE, lse_TH, plan).backward(grad_out_THE, grads);
  else
    Kernel<float>(qkv, out_THE, lse_TH, plan).backward(grad_out_THE, grads);
  return grad;
}

}  // namespace papo
