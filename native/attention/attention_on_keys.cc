#include "attention/attention_on_keys.h"

#include "core/cancel.h"
#include "core/device.h"

namespace papo {
namespace {

// One response's predicting rows and all keys that one of them sees: the prompt's, then its own.
class PredictingAttention {
 public:
  PredictingAttention(const QkvHeads& heads, const AttentionPlan& plan, const std::vector<int64_t>& rows)
      : num_rows_(static_cast<int64_t>(rows.size())),
        prompt_begin_(plan.rows[rows.front()].first_begin),
        prompt_keys_(plan.rows[rows.front()].first_end - prompt_begin_) {
    const auto& [q_THE, k_TKE, v_TKE] = heads;
    const auto type = at::promoteTypes(q_THE.scalar_type(), at::kFloat);
    const int64_t kv_heads = k_TKE.size(1), head_size = k_TKE.size(2);
    const int64_t own_begin = num_rows_ > 1 ? rows[1] : 0;
    keys_KSE_ = at::cat({k_TKE.narrow(0, prompt_begin_, prompt_keys_), k_TKE.narrow(0, own_begin, num_rows_ - 1)}, 0)
                    .to(type)
                    .transpose(0, 1);
    const auto queries = q_THE.index_select(0, to_device(rows)).to(type) / std::sqrt(static_cast<double>(head_size));
    queries_KGRE_ = queries.view({num_rows_, kv_heads, -1, head_size}).permute({1, 2, 0, 3});
  }

  int64_t bytes_a_row() const {
    return keys_KSE_.size(1) * queries_KGRE_.size(0) * queries_KGRE_.size(1) * keys_KSE_.element_size();
  }

  // Probabilities of rows [begin, end) on the keys, summed over heads and rows: [M].
  at::Tensor sums(int64_t begin, int64_t end, const at::Tensor& keys_M) const {
    const int64_t own_keys = end - 1;  // row r sees r of its own
    const auto queries = queries_KGRE_.slice(2, begin, end);
    const auto keys_KSE = keys_KSE_.narrow(1, 0, prompt_keys_ + own_keys);
    auto scores = at::matmul(queries, keys_KSE.transpose(1, 2).unsqueeze(1));
    const auto unseen = at::ones({end - begin, own_keys}, scores.options().dtype(at::kBool)).triu(begin);
    scores.narrow(3, prompt_keys_, own_keys).masked_fill_(unseen, -std::numeric_limits<double>::infinity());
    return at::softmax(scores, -1).index_select(-1, keys_M - prompt_begin_).sum({0, 1, 2});
  }

 private:
  const int64_t num_rows_, prompt_begin_, prompt_keys_;
  at::Tensor keys_KSE_, queries_KGRE_;  // G: query heads of a key/value head
};

}  // namespace

at::Tensor attention_on_keys(const QkvHeads& heads, const AttentionPlan& plan, const std::vector<int64_t>& rows,
                             const at::Tensor& keys_M, int64_t chunk_bytes) {
  const auto num_rows = static_cast<int64_t>(rows.size());
  const PredictingAttention attention(heads, plan, rows);
  const int64_t chunk = std::max<int64_t>(1, chunk_bytes / attention.bytes_a_row());
  auto sums_M = at::zeros({keys_M.size(0)}, keys_M.options().dtype(at::kDouble));
  for (int64_t begin = 0; begin < num_rows; begin += chunk) {
    poll_cancel();
    sums_M += attention.sums(begin, std::min(num_rows, begin + chunk), keys_M);
  }
  return sums_M;
}

}  // namespace papo
