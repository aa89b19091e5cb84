#include "attention/chunk_attention.h"

#include "attention/varlen_attention.h"
#include "core/device.h"
#include "core/flops.h"

namespace papo {
namespace {

at::Tensor attended_on_cpu(const QkvHeads& heads, const AttentionPlan& plan) {
  const auto wide = [](const at::Tensor& x) {
    const auto y = x.to(at::kFloat);
    return y.stride(2) == 1 ? y : y.contiguous();
  };
  const auto out = at::empty(heads.q_THE.sizes(), at::kFloat);
  const auto lse = at::empty({out.size(0), out.size(1)}, at::kFloat);
  group_attention_forward_cpu({wide(heads.q_THE), wide(heads.k_TKE), wide(heads.v_TKE)}, plan, out, lse);
  return out.to(heads.q_THE.scalar_type());
}

}  // namespace

std::shared_ptr<const AttentionPlan> plan_chunk(int64_t first, int64_t rows) {
  auto plan = std::make_shared<AttentionPlan>();
  for (int64_t row = 0; row < rows; ++row) plan->rows.push_back({0, static_cast<int32_t>(first + row + 1), 0, 0});
  plan->blocks.push_back({0, rows, 0, first + rows});
  const auto ends = [](int64_t end) { return to_device(std::vector<int32_t>{0, static_cast<int32_t>(end)}); };
  plan->varlen_plan = std::make_shared<VarlenPlan>(
      VarlenPlan{{{0, rows, /*causal=*/true, ends(rows), ends(first + rows), rows, first + rows, {}}}});
  return plan;
}

at::Tensor chunk_attention(const QkvHeads& heads, const AttentionPlan& plan) {
  const auto& q = heads.q_THE;
  double pairs = 0;
  for (const auto& row : plan.rows) pairs += row.first_end;
  count_flops(4 * pairs * static_cast<double>(q.size(1) * q.size(2)), FlopPhase::kAttention);
  if (runs_varlen_attention(q)) return varlen_attention(heads, plan.varlen_plan->runs.front()).out_NHE;
  if (q.device().is_cpu()) return attended_on_cpu(heads, plan);
  return group_attention_composed(heads, plan);
}

}  // namespace papo
