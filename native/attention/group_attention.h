// Attention over packed, ragged rows where each row sees at most two ranges of keys: a prompt row sees
// [prompt begin, itself], a response row [its prompt] and [its own beginning, itself], a vision patch its window.
// One op therefore serves the language model's groups and the vision tower.
#pragma once

#include "core/torch_compat.h"

namespace papo {

struct VarlenPlan;  // attention/varlen_attention.h

struct AttentionPlan {
  // Keys that a row sees: [first_begin, first_end) and [second_begin, second_end), absolute rows; either may be empty.
  struct Row {
    int32_t first_begin, first_end, second_begin, second_end;
  };
  // Rows [begin, end) see keys of [key_begin, key_end) only; blocks are disjoint and cover all rows.
  struct Block {
    int64_t begin, end, key_begin, key_end;
  };
  // The same by runs of rows, in order: rows [begin, end) see keys [shared_begin, shared_end) and of their own those up
  // to themselves, or all when `full`.
  struct Segment {
    int64_t begin, end, shared_begin, shared_end;
    bool full;
  };
  std::vector<Row> rows;  // [T]
  std::vector<Block> blocks;
  std::vector<Segment> segments;                          // none is empty
  mutable std::shared_ptr<const VarlenPlan> varlen_plan;  // of the segments, made when first needed
};

// Rows of one group, appended at plan.rows.size(): causal prompt rows, then each response's rows.
void append_group(AttentionPlan& plan, int64_t prompt_rows, const std::vector<int64_t>& response_rows);
// A block whose rows all see each other.
void append_full_block(AttentionPlan& plan, int64_t num_rows);

// softmax(q k^T * head_size^-0.5) v over each row's keys; query head h uses key/value head h / (H / K).
// qkv_TGE [T, H + 2 K, E] holds the H query heads, then the keys', then the values' -> [T, H, E]. float32, float64,
// bfloat16.
at::Tensor group_attention(const at::Tensor& qkv_TGE, int64_t num_heads,
                           const std::shared_ptr<const AttentionPlan>& plan);

// Its three parts as views.
struct QkvHeads {
  at::Tensor q_THE, k_TKE, v_TKE;
};
QkvHeads split_heads(const at::Tensor& qkv_TGE, int64_t num_heads);

// The same from at:: operations, one block at a time: the reference that the kernel is tested against.
at::Tensor group_attention_composed(const QkvHeads& heads, const AttentionPlan& plan);

// CPU kernels (float32, float64). lse_TH is log sum exp of the scaled scores.
void group_attention_forward_cpu(const QkvHeads& qkv, const AttentionPlan& plan, const at::Tensor& out_THE,
                                 const at::Tensor& lse_TH);
// The gradient of qkv, laid out as that is.
at::Tensor group_attention_backward_cpu(const at::Tensor& grad_out_THE, const QkvHeads& qkv, const at::Tensor& out_THE,
                                        const at::Tensor& lse_TH, const AttentionPlan& plan);

}  // namespace papo
