#include "attention/group_attention.h"

#include "attention/varlen_attention.h"
#include "core/error.h"
#include "core/flops.h"
#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct State {
  int64_t num_heads;
  std::shared_ptr<const AttentionPlan> plan;
  FlopPhase phase = flop_phase;

  // A visible (query, key) pair of a head is a dot product and a weighted sum forward; backward once more of each for
  // both their inputs.
  void count(const at::Tensor& heads_TGE, double times) const {
    double pairs = 0;
    for (const auto& row : plan->rows) pairs += row.first_end - row.first_begin + row.second_end - row.second_begin;
    count_flops(times * 4 * pairs * static_cast<double>(num_heads * heads_TGE.size(2)),
                phase == FlopPhase::kBody ? FlopPhase::kAttention : phase);
  }
};

class GroupAttention : public torch::autograd::Function<GroupAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv_in, const State& state) {
    const auto qkv = qkv_in.stride(2) == 1 ? qkv_in : qkv_in.contiguous();
    const auto out = at::empty({qkv.size(0), state.num_heads, qkv.size(2)}, qkv.options());
    const auto lse = at::empty({qkv.size(0), state.num_heads}, qkv.options());
    group_attention_forward_cpu(split_heads(qkv, state.num_heads), *state.plan, out, lse);
    state.count(qkv, 1);
    ctx->save_for_backward({qkv, out, lse});
    hold(ctx, state);
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto& state = held<State>(ctx);
    state.count(saved[0], 2);
    return {group_attention_backward_cpu(grads[0].contiguous(), split_heads(saved[0], state.num_heads), saved[1],
                                         saved[2], *state.plan),
            at::Tensor()};
  }
};

// The composed form's output as it is, with its arithmetic counted.
class CountedAttention : public torch::autograd::Function<CountedAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& out_THE, const State& state) {
    state.count(out_THE, 1);
    hold(ctx, state);
    return out_THE.view(out_THE.sizes());
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    held<State>(ctx).count(grads[0], 2);
    return {grads[0], at::Tensor()};
  }
};

// On a device: the segments' keys are laid end to end, and a call of libtorch's attention takes each run of them.
class VarlenGroupAttention : public torch::autograd::Function<VarlenGroupAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv_in, const State& state) {
    const auto qkv = qkv_in.stride(2) == 1 ? qkv_in : qkv_in.contiguous();
    if (!state.plan->varlen_plan) state.plan->varlen_plan = plan_varlen(*state.plan);
    const auto out = at::empty({qkv.size(0), state.num_heads, qkv.size(2)}, qkv.options());
    variable_list saved{qkv, out};
    for (const auto& run : state.plan->varlen_plan->runs) {
      const auto heads = run_heads(qkv, state.num_heads, run);
      const auto result = varlen_attention(heads, run);
      rows_of(out, run).copy_(result.out_NHE);
      saved.push_back(result.lse);
    }
    state.count(qkv, 1);
    ctx->save_for_backward(saved);
    hold(ctx, state);
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto& state = held<State>(ctx);
    const auto &qkv = saved[0], &out = saved[1];
    const auto grad_out = grads[0].contiguous(), grad_qkv = at::empty(qkv.sizes(), qkv.options());
    for (size_t i = 0; i < state.plan->varlen_plan->runs.size(); ++i) {
      const auto& run = state.plan->varlen_plan->runs[i];
      const auto heads = run_heads(qkv, state.num_heads, run);
      const auto run_grads =
          varlen_attention_backward(rows_of(grad_out, run), heads, {rows_of(out, run), saved[2 + i]}, run);
      put_run_grads(rows_of(grad_qkv, run), state.num_heads, run_grads, run);
    }
    state.count(qkv, 2);
    return {grad_qkv, at::Tensor()};
  }

 private:
  static at::Tensor rows_of(const at::Tensor& x, const VarlenRun& run) { return x.narrow(0, run.begin, run.rows); }
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
  plan.blocks.push_back({begin, own, begin, own});
  const auto segment = [&](int64_t from, int64_t to, int64_t shared_end) {
    if (from < to) plan.segments.push_back({from, to, begin, shared_end, false});
  };
  segment(begin, prompt_end, begin);
  int64_t response = prompt_end;
  for (int64_t length : response_rows) {
    segment(response, response + length, prompt_end);
    response += length;
  }
}

void append_full_block(AttentionPlan& plan, int64_t num_rows) {
  const auto begin = static_cast<int32_t>(plan.rows.size());
  const auto end = static_cast<int32_t>(begin + num_rows);
  plan.rows.insert(plan.rows.end(), num_rows, {begin, end, begin, begin});
  plan.blocks.push_back({begin, end, begin, end});
  if (num_rows > 0) plan.segments.push_back({begin, end, begin, begin, true});
}

QkvHeads split_heads(const at::Tensor& qkv_TGE, int64_t num_heads) {
  const int64_t kv_heads = (qkv_TGE.size(1) - num_heads) / 2;
  return {qkv_TGE.narrow(1, 0, num_heads), qkv_TGE.narrow(1, num_heads, kv_heads),
          qkv_TGE.narrow(1, num_heads + kv_heads, kv_heads)};
}

at::Tensor group_attention_composed(const QkvHeads& heads, const AttentionPlan& plan) {
  const auto& [q_THE, k_TKE, v_TKE] = heads;
  const int64_t repeats = q_THE.size(1) / k_TKE.size(1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q_THE.size(2)));
  std::vector<at::Tensor> outs;
  for (const auto& block : plan.blocks) {
    const int64_t keys = block.key_end - block.key_begin;
    auto visible_TS = at::zeros({block.end - block.begin, keys}, at::kBool);
    auto* seen = visible_TS.data_ptr<bool>() - block.key_begin;
    for (int64_t row = block.begin; row < block.end; ++row, seen += keys) {
      const auto& r = plan.rows[row];
      std::fill(seen + r.first_begin, seen + r.first_end, true);
      std::fill(seen + r.second_begin, seen + r.second_end, true);
    }
    const auto keys_of = [&](const at::Tensor& x) {
      return x.slice(0, block.key_begin, block.key_end).transpose(0, 1).repeat_interleave(repeats, 0);
    };
    const auto q = q_THE.slice(0, block.begin, block.end).transpose(0, 1);
    const auto k = keys_of(k_TKE), v = keys_of(v_TKE);
    auto scores = at::matmul(q, k.transpose(1, 2)) * scale;
    scores = scores.masked_fill(visible_TS.logical_not().to(q.device()), -std::numeric_limits<double>::infinity());
    outs.push_back(
        at::matmul(at::softmax(scores, -1, at::promoteTypes(scores.scalar_type(), at::kFloat)).to(v.scalar_type()), v)
            .transpose(0, 1));
  }
  return at::cat(outs, 0);
}

at::Tensor group_attention(const at::Tensor& qkv_TGE, int64_t num_heads,
                           const std::shared_ptr<const AttentionPlan>& plan) {
  check(static_cast<int64_t>(plan->rows.size()) == qkv_TGE.size(0), "group_attention",
        "the plan has " + std::to_string(plan->rows.size()) + " rows, qkv has " + std::to_string(qkv_TGE.size(0)));
  const State state{num_heads, plan};
  if (runs_varlen_attention(qkv_TGE)) return VarlenGroupAttention::apply(qkv_TGE, state);
  if (has_cpu_kernel(qkv_TGE)) return GroupAttention::apply(qkv_TGE, state);
  if (qkv_TGE.device().is_cpu() && !runs_kernels(qkv_TGE))  // bfloat16: the kernel's sums are float32 anyway
    return GroupAttention::apply(qkv_TGE.to(at::kFloat), state).to(qkv_TGE.scalar_type());
  return CountedAttention::apply(group_attention_composed(split_heads(qkv_TGE, num_heads), *plan), state);
}

}  // namespace papo
