#include "attention/group_attention.h"

#include "core/error.h"
#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class GroupAttention : public torch::autograd::Function<GroupAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::shared_ptr<const AttentionPlan>& plan) {
    auto out = at::empty({q.size(0), q.size(1), q.size(2)}, q.options());
    auto lse = at::empty({q.size(0), q.size(1)}, q.options());
    group_attention_forward_cpu(q, k, v, *plan, out, lse);
    ctx->save_for_backward({q, k, v, out, lse});
    hold(ctx, plan);
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    auto result = group_attention_backward_cpu(grads[0].contiguous(), saved[0], saved[1], saved[2], saved[3], saved[4],
                                               *held<std::shared_ptr<const AttentionPlan>>(ctx));
    return {result.q_THE, result.k_TKE, result.v_TKE, at::Tensor()};
  }
};

}  // namespace

void append_group(AttentionPlan& plan, int64_t prompt_rows, const std::vector<int64_t>& response_rows) {
  const auto begin = static_cast<int32_t>(plan.rows.size());
  const auto prompt_end = static_cast<int32_t>(begin + prompt_rows);
  for (int32_t row = begin; row < prompt_end; ++row) plan.rows.push_back({begin, row + 1, begin, begin});
  int32_t own = prompt_end;
  for (int64_t length : response_rows) {
    for (int32_t row = own; row < own + length; ++row) plan.rows.push_back({begin, prompt_end, own, row + 1});
    own += static_cast<int32_t>(length);
  }
  plan.blocks.push_back({begin, own});
}

void append_full_block(AttentionPlan& plan, int64_t num_rows) {
  const auto begin = static_cast<int32_t>(plan.rows.size());
  const auto end = static_cast<int32_t>(begin + num_rows);
  plan.rows.insert(plan.rows.end(), num_rows, {begin, end, begin, begin});
  plan.blocks.push_back({begin, end});
}

at::Tensor group_attention_composed(const at::Tensor& q_THE, const at::Tensor& k_TKE, const at::Tensor& v_TKE,
                                    const AttentionPlan& plan) {
  const int64_t repeats = q_THE.size(1) / k_TKE.size(1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q_THE.size(2)));
  std::vector<at::Tensor> outs;
  for (const auto& block : plan.blocks) {
    const int64_t length = block.end - block.begin;
    auto visible_TT = at::zeros({length, length}, at::kBool);
    auto* seen = visible_TT.data_ptr<bool>();
    for (int64_t row = 0; row < length; ++row) {
      const auto& r = plan.rows[block.begin + row];
      std::fill(seen + row * length + r.first_begin - block.begin, seen + row * length + r.first_end - block.begin,
                true);
      std::fill(seen + row * length + r.second_begin - block.begin, seen + row * length + r.second_end - block.begin,
                true);
    }
    auto heads_first = [&](const at::Tensor& x) { return x.narrow(0, block.begin, length).transpose(0, 1); };
    auto q = heads_first(q_THE);
    auto k = heads_first(k_TKE).repeat_interleave(repeats, 0);
    auto v = heads_first(v_TKE).repeat_interleave(repeats, 0);
    auto scores = at::matmul(q, k.transpose(1, 2)) * scale;
    scores = scores.masked_fill(visible_TT.logical_not().to(q.device()), -std::numeric_limits<double>::infinity());
    outs.push_back(
        at::matmul(at::softmax(scores, -1, at::promoteTypes(scores.scalar_type(), at::kFloat)).to(v.scalar_type()), v)
            .transpose(0, 1));
  }
  return at::cat(outs, 0);
}

at::Tensor group_attention(const at::Tensor& q_THE, const at::Tensor& k_TKE, const at::Tensor& v_TKE,
                           const std::shared_ptr<const AttentionPlan>& plan) {
  check(static_cast<int64_t>(plan->rows.size()) == q_THE.size(0), "group_attention",
        "the plan has " + std::to_string(plan->rows.size()) + " rows, q has " + std::to_string(q_THE.size(0)));
  if (has_cpu_kernel(q_THE)) return GroupAttention::apply(q_THE, k_TKE, v_TKE, plan);
  if (q_THE.device().is_cpu())  // bfloat16: the kernel's sums are float32 anyway
    return GroupAttention::apply(q_THE.to(at::kFloat), k_TKE.to(at::kFloat), v_TKE.to(at::kFloat), plan)
        .to(q_THE.scalar_type());
  return group_attention_composed(q_THE, k_TKE, v_TKE, *plan);
}

}  // namespace papo
