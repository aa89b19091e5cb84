// Attention of a device: sequences of queries and of keys laid end to end, as flash attention takes them. On CUDA it is
// libtorch's (float16, bfloat16); under emulation a composed form of the same signature.
#pragma once

#include "attention/group_attention.h"

namespace papo {

// Rows [begin, begin + rows) of a pass, whose segments are alike: one call.
struct VarlenRun {
  int64_t begin, rows;
  bool causal;                      // query i of m sees the first n - m + i + 1 of its n keys; else all
  at::Tensor query_ends, key_ends;  // [segments + 1] int32: where each begins, and the end of the last
  int64_t max_queries, max_keys;
  at::Tensor key_rows_S;  // int64, of the run's rows: keys of all segments; undefined: the rows themselves
};
struct VarlenPlan {
  std::vector<VarlenRun> runs;
};

// On the current device.
std::shared_ptr<const VarlenPlan> plan_varlen(const AttentionPlan& plan);

// Whether this op takes them: on a device, what libtorch's flash attention takes.
bool runs_varlen_attention(const at::Tensor& qkv_TGE);

// The run's queries [N, H, E], and the keys and values [S, K, E] of its segments, gathered from its rows.
QkvHeads run_heads(const at::Tensor& qkv_TGE, int64_t num_heads, const VarlenRun& run);

struct VarlenResult {
  at::Tensor out_NHE;
  at::Tensor lse;  // [H, N] float32: log sum exp of the scaled scores
};
VarlenResult varlen_attention(const QkvHeads& heads, const VarlenRun& run);
QkvHeads varlen_attention_backward(const at::Tensor& grad_out_NHE, const QkvHeads& heads, const VarlenResult& result,
                                   const VarlenRun& run);

// Writes the gradient of the run's rows of qkv; keys that several segments saw get the sum, in float32.
void put_run_grads(const at::Tensor& grad_qkv_NGE, int64_t num_heads, const QkvHeads& grads, const VarlenRun& run);

}  // namespace papo
