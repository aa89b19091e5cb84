// Attention of a prefill that goes chunk by chunk: some rows of a prompt attend to all before them, whose keys and
// values are in a cache, and to themselves. No gradients.
#pragma once

#include "attention/group_attention.h"

namespace papo {

// Queries are the rows [first, first + rows) of a prompt, keys its rows [0, first + rows). On the current device.
std::shared_ptr<const AttentionPlan> plan_chunk(int64_t first, int64_t rows);

// q_THE [rows, H, E], k_TKE and v_TKE [first + rows, K, E] -> [rows, H, E]. A chunk that is a whole prompt gets what
// group attention gives it, bit for bit.
at::Tensor chunk_attention(const QkvHeads& heads, const AttentionPlan& plan);

}  // namespace papo
