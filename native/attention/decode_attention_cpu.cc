#include "attention/kv_cache.h"
#include "attention/tile.h"
#include "core/flops.h"
#include "core/parallel.h"

namespace papo {
namespace {

// Rows [begin, end) share a prompt.
struct RowRun {
  int64_t begin, end;
};

std::vector<RowRun> rows_by_prompt(const std::vector<DecodeRow>& rows) {
  std::vector<RowRun> runs;
  for (int64_t row = 0; row < static_cast<int64_t>(rows.size()); ++row) {
    if (runs.empty() || rows[runs.back().begin].prompt != rows[row].prompt) runs.push_back({row, row});
    runs.back().end = row + 1;
  }
  return runs;
}

// One query of a tile: a row and a head of the key/value group.
struct Query {
  int64_t row, head;
};

class RunDecoder {
 public:
  RunDecoder(const float* q, float* out, const std::vector<DecodeRow>& rows, const KvShape& shape, int64_t layer,
             int64_t kv_head, int64_t heads)
      : q_(q), out_(out), rows_(rows), shape_(shape), layer_(layer), kv_head_(kv_head), heads_(heads) {}

  void run(const RowRun& run) {
    const int64_t per_group = heads_ / shape_.num_kv_heads;
    int64_t own_longest = 0;
    for (int64_t row = run.begin; row < run.end; ++row)
      own_longest = std::max(own_longest, rows_[row].own->num_pages() * kPageTokens);
    const auto& prompt = *rows_[run.begin].prompt;
    own_at_ = prompt.key_ld();
    ld_ = own_at_ + own_longest + 2 * kLanes<float>;
    weights_.resize(kTileQueries * ld_);
    sums_.resize(kTileQueries * shape_.padded());
    std::vector<Query> tile;
    for (int64_t row = run.begin; row < run.end; ++row) {
      for (int64_t head = 0; head < per_group; ++head) {
        tile.push_back({row, kv_head_ * per_group + head});
        if (static_cast<int>(tile.size()) == kTileQueries) decode(prompt, tile);
      }
    }
    if (!tile.empty()) decode(prompt, tile);
  }

 private:
  const float* query(const Query& q) const { return q_ + (q.row * heads_ + q.head) * shape_.head_size; }

  // Calls use(first, count) for runs of a tile's queries that belong to one response.
  template <class Use>
  void by_response(const std::vector<Query>& tile, const Use& use) const {
    for (size_t first = 0; first < tile.size();) {
      size_t last = first;
      while (last < tile.size() && tile[last].row == tile[first].row) ++last;
      use(first, static_cast<int>(last - first));
      first = last;
    }
  }

  void decode(const PromptKv& prompt, std::vector<Query>& tile) {
    const int count = static_cast<int>(tile.size());
    const int64_t size = shape_.head_size, padded = shape_.padded(), prompt_tokens = prompt.num_tokens();
    const float* queries[kTileQueries];
    float* sums[kTileQueries];
    for (int i = 0; i < count; ++i) {
      queries[i] = query(tile[i]);
      sums[i] = sums_.data() + i * padded;
    }
    float* weights = weights_.data();
    attention_scores<float>(count, queries, prompt.keys(layer_, kv_head_), prompt.key_ld(), prompt_tokens, size,
                            weights, ld_);
    by_response(tile, [&](size_t first, int n) {
      const auto& own = *rows_[tile[first].row].own;
      for (int64_t page = 0; page < own.num_pages(); ++page)
        attention_scores<float>(n, queries + first, own.keys(page, layer_, kv_head_), kPageTokens, kPageTokens, size,
                                weights + first * ld_ + own_at_ + page * kPageTokens, ld_);
    });
    const float scale = 1.0f / std::sqrt(static_cast<float>(size));
    float total[kTileQueries];
    for (int i = 0; i < count; ++i) {
      const int64_t own_tokens = rows_[tile[i].row].own->num_tokens();
      float *first = weights + i * ld_, *second = first + own_at_;
      float top = -std::numeric_limits<float>::infinity();
      for (int64_t j = 0; j < prompt_tokens; ++j) top = std::max(top, first[j] *= scale);
      for (int64_t j = 0; j < own_tokens; ++j) top = std::max(top, second[j] *= scale);
      total[i] = exp_and_sum(first, prompt_tokens, top) + exp_and_sum(second, own_tokens, top);
    }
    std::fill(sums_.begin(), sums_.end(), 0.0f);
    weighted_sum<float>(count, weights, ld_, prompt.values(layer_, kv_head_), padded, prompt_tokens, padded, sums);
    by_response(tile, [&](size_t first, int n) {
      const auto& own = *rows_[tile[first].row].own;
      for (int64_t page = 0; page < own.num_pages(); ++page)
        weighted_sum<float>(n, weights + first * ld_ + own_at_ + page * kPageTokens, ld_,
                            own.values(page, layer_, kv_head_), padded,
                            std::min(kPageTokens, own.num_tokens() - page * kPageTokens), padded, sums + first);
    });
    for (int i = 0; i < count; ++i) {
      float* target = out_ + (tile[i].row * heads_ + tile[i].head) * size;
      for (int64_t e = 0; e < size; ++e) target[e] = sums[i][e] / total[i];
    }
    tile.clear();
  }

  const float* q_;
  float* out_;
  const std::vector<DecodeRow>& rows_;
  const KvShape& shape_;
  const int64_t layer_, kv_head_, heads_;
  int64_t own_at_ = 0, ld_ = 0;
  std::vector<float> weights_, sums_;
};

}  // namespace

at::Tensor decode_attention(const at::Tensor& q_MHE, const std::vector<DecodeRow>& rows, const KvShape& shape,
                            int64_t layer) {
  auto out = at::empty(q_MHE.sizes(), q_MHE.options());
  double pairs = 0;
  for (const auto& row : rows) pairs += static_cast<double>(row.prompt->num_tokens() + row.own->num_tokens());
  count_flops(4 * pairs * static_cast<double>(q_MHE.size(1) * shape.head_size), FlopPhase::kAttention);
  const auto runs = rows_by_prompt(rows);
  const int64_t kv_heads = shape.num_kv_heads, heads = q_MHE.size(1);
  const float* q = q_MHE.data_ptr<float>();
  float* out_data = out.data_ptr<float>();
  parallel_tasks(static_cast<int64_t>(runs.size()) * kv_heads, [&](int64_t task) {
    RunDecoder(q, out_data, rows, shape, layer, task % kv_heads, heads).run(runs[task / kv_heads]);
  });
  return out;
}

}  // namespace papo
