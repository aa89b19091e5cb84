#include "attention/varlen_attention.h"

#include "core/cancel.h"
#include "core/device.h"

namespace papo {
namespace {

double scale_of(const at::Tensor& q_NHE) { return 1.0 / std::sqrt(static_cast<double>(q_NHE.size(2))); }

VarlenRun plan_run(const AttentionPlan::Segment* first, const AttentionPlan::Segment* last) {
  VarlenRun run{first->begin, (last - 1)->end - first->begin, !first->full, {}, {}, 0, 0, {}};
  std::vector<int32_t> query_ends{0}, key_ends{0};
  std::vector<int64_t> key_rows;
  for (const auto* segment = first; segment != last; ++segment) {
    for (int64_t row = segment->shared_begin; row < segment->shared_end; ++row) key_rows.push_back(row - run.begin);
    for (int64_t row = segment->begin; row < segment->end; ++row) key_rows.push_back(row - run.begin);
    const int64_t own = segment->end - segment->begin, keys = own + segment->shared_end - segment->shared_begin;
    query_ends.push_back(query_ends.back() + static_cast<int32_t>(own));
    key_ends.push_back(key_ends.back() + static_cast<int32_t>(keys));
    run.max_queries = std::max(run.max_queries, own);
    run.max_keys = std::max(run.max_keys, keys);
  }
  run.query_ends = to_device(query_ends);
  run.key_ends = to_device(key_ends);
  if (static_cast<int64_t>(key_rows.size()) != run.rows) run.key_rows_S = to_device(key_rows);
  return run;
}

// One segment's scaled scores [H, queries, keys] in float32, -inf where a key is not seen.
struct ComposedSegment {
  at::Tensor q_HNE, k_HSE, v_HSE, scores_HNS;
  int64_t query_begin, queries, key_begin, keys;
};

// Calls use(segment) for every segment of the run.
template <class Use>
void for_segments(const QkvHeads& heads, const VarlenRun& run, const Use& use) {
  const auto* query_ends = run.query_ends.data_ptr<int32_t>();
  const auto* key_ends = run.key_ends.data_ptr<int32_t>();
  const int64_t repeats = heads.q_THE.size(1) / heads.k_TKE.size(1);
  for (int64_t i = 0; i + 1 < run.query_ends.numel(); ++i) {
    poll_cancel();
    ComposedSegment s{
        {}, {}, {}, {}, query_ends[i], query_ends[i + 1] - query_ends[i], key_ends[i], key_ends[i + 1] - key_ends[i]};
    const auto wide = [](const at::Tensor& x, int64_t begin, int64_t count) {
      return x.narrow(0, begin, count).transpose(0, 1).to(at::kFloat);
    };
    s.q_HNE = wide(heads.q_THE, s.query_begin, s.queries);
    s.k_HSE = wide(heads.k_TKE, s.key_begin, s.keys).repeat_interleave(repeats, 0);
    s.v_HSE = wide(heads.v_TKE, s.key_begin, s.keys).repeat_interleave(repeats, 0);
    s.scores_HNS = at::matmul(s.q_HNE, s.k_HSE.transpose(1, 2)).mul_(scale_of(heads.q_THE));
    if (run.causal) {
      const auto hidden = at::ones({s.queries, s.keys}, at::kBool).triu(s.keys - s.queries + 1);
      s.scores_HNS.masked_fill_(hidden, -std::numeric_limits<double>::infinity());
    }
    use(s);
  }
}

VarlenResult composed(const QkvHeads& heads, const VarlenRun& run) {
  VarlenResult result{at::empty_like(heads.q_THE, at::MemoryFormat::Contiguous),
                      at::empty({heads.q_THE.size(1), run.rows}, heads.q_THE.options().dtype(at::kFloat))};
  for_segments(heads, run, [&](const ComposedSegment& s) {
    const auto lse_HN = at::logsumexp(s.scores_HNS, {2});
    result.lse.narrow(1, s.query_begin, s.queries).copy_(lse_HN);
    result.out_NHE.narrow(0, s.query_begin, s.queries)
        .copy_(at::matmul((s.scores_HNS - lse_HN.unsqueeze(2)).exp_(), s.v_HSE).transpose(0, 1));
  });
  return result;
}

// d scores = p (dp - sum of out times its gradient), with p = exp(scores - lse) and dp = grad_out v^T.
QkvHeads composed_backward(const at::Tensor& grad_out, const QkvHeads& heads, const VarlenResult& result,
                           const VarlenRun& run) {
  QkvHeads grads{at::empty_like(heads.q_THE, at::MemoryFormat::Contiguous),
                 at::empty_like(heads.k_TKE, at::MemoryFormat::Contiguous),
                 at::empty_like(heads.v_TKE, at::MemoryFormat::Contiguous)};
  const int64_t kv_heads = heads.k_TKE.size(1);
  for_segments(heads, run, [&](const ComposedSegment& s) {
    const auto rows = [&](const at::Tensor& x) {
      return x.narrow(0, s.query_begin, s.queries).transpose(0, 1).to(at::kFloat);
    };
    const auto grad_HNE = rows(grad_out);
    const auto p_HNS = (s.scores_HNS - result.lse.narrow(1, s.query_begin, s.queries).unsqueeze(2)).exp_();
    const auto shift_HN1 = (grad_HNE * rows(result.out_NHE)).sum(2, true);
    const auto grad_scores =
        at::matmul(grad_HNE, s.v_HSE.transpose(1, 2)).sub_(shift_HN1).mul_(p_HNS).mul_(scale_of(heads.q_THE));
    // Query heads of a key/value head add up.
    const auto put = [&](const at::Tensor& to, const at::Tensor& grad_HSE) {
      to.narrow(0, s.key_begin, s.keys)
          .copy_(grad_HSE.view({kv_heads, -1, s.keys, grad_HSE.size(2)}).sum(1).transpose(0, 1));
    };
    grads.q_THE.narrow(0, s.query_begin, s.queries).copy_(at::matmul(grad_scores, s.k_HSE).transpose(0, 1));
    put(grads.k_TKE, at::matmul(grad_scores.transpose(1, 2), s.q_HNE));
    put(grads.v_TKE, at::matmul(p_HNS.transpose(1, 2), grad_HNE));
  });
  return grads;
}

}  // namespace

std::shared_ptr<const VarlenPlan> plan_varlen(const AttentionPlan& plan) {
  auto out = std::make_shared<VarlenPlan>();
  const auto& segments = plan.segments;
  for (size_t from = 0, to; from < segments.size(); from = to) {
    for (to = from + 1; to < segments.size() && segments[to].full == segments[from].full;) ++to;
    out->runs.push_back(plan_run(segments.data() + from, segments.data() + to));
  }
  return out;
}

bool runs_varlen_attention(const at::Tensor& qkv_TGE) {
  return runs_kernels(qkv_TGE) && (!qkv_TGE.is_cuda() || qkv_TGE.scalar_type() == at::kBFloat16);
}

QkvHeads run_heads(const at::Tensor& qkv_TGE, int64_t num_heads, const VarlenRun& run) {
  const auto rows = qkv_TGE.narrow(0, run.begin, run.rows);
  const auto q = rows.narrow(1, 0, num_heads), kv = rows.slice(1, num_heads);
  const auto keys = run.key_rows_S.defined() ? kv.index_select(0, run.key_rows_S) : kv;
  const auto halves = keys.chunk(2, 1);
  return {q, halves[0], halves[1]};
}

VarlenResult varlen_attention(const QkvHeads& heads, const VarlenRun& run) {
  if (!heads.q_THE.is_cuda()) return composed(heads, run);
  const auto result = at::_flash_attention_forward(heads.q_THE, heads.k_TKE, heads.v_TKE, run.query_ends, run.key_ends,
                                                   run.max_queries, run.max_keys, /*dropout_p=*/0.0, run.causal,
                                                   /*return_debug_mask=*/false, scale_of(heads.q_THE));
  return {std::get<0>(result), std::get<1>(result)};
}

QkvHeads varlen_attention_backward(const at::Tensor& grad_out_NHE, const QkvHeads& heads, const VarlenResult& result,
                                   const VarlenRun& run) {
  if (!heads.q_THE.is_cuda()) return composed_backward(grad_out_NHE, heads, result, run);
  // The state of its random numbers, of which attention without dropout draws none.
  const auto unused = at::empty({2}, heads.q_THE.options().dtype(at::kUInt64)), none = unused.slice(0, 0, 0);
  const auto [q, k, v] = at::_flash_attention_backward(
      grad_out_NHE, heads.q_THE, heads.k_TKE, heads.v_TKE, result.out_NHE, result.lse, run.query_ends, run.key_ends,
      run.max_queries, run.max_keys, /*dropout_p=*/0.0, run.causal, unused, none, scale_of(heads.q_THE));
  return {q, k, v};
}

void put_run_grads(const at::Tensor& grad_qkv_NGE, int64_t num_heads, const QkvHeads& grads, const VarlenRun& run) {
  grad_qkv_NGE.narrow(1, 0, num_heads).copy_(grads.q_THE);
  const int64_t kv_heads = grads.k_TKE.size(1);
  const auto put = [&](int64_t first_head, const at::Tensor& grad_SKE) {
    const auto to = grad_qkv_NGE.narrow(1, first_head, kv_heads);
    if (!run.key_rows_S.defined()) return (void)to.copy_(grad_SKE);
    const auto sums = at::zeros(to.sizes(), to.options().dtype(at::kFloat));
    to.copy_(sums.index_add_(0, run.key_rows_S, grad_SKE.to(at::kFloat)));
  };
  put(num_heads, grads.k_TKE);
  put(num_heads + kv_heads, grads.v_TKE);
}

}  // namespace papo
