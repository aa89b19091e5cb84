// How much a response looks at tokens of its prompt: attention probabilities, summed as they are made.
#pragma once

#include "attention/group_attention.h"

namespace papo {

// Scores of a chunk of rows that exist at a time.
inline constexpr int64_t kAttentionChunkBytes = int64_t{64} << 20;

// Sum over all heads and over `rows` of softmax(q k^T * head_size^-0.5) on each of the keys, [M] float64; the softmax
// is over all keys that the row sees, those of its response among them. `rows` are those that predict one response's
// tokens, in order: its prompt's last row, then its own. keys_M are rows of the prompt (int64). float32 inside, float64
// where qkv is.
at::Tensor attention_on_keys(const QkvHeads& heads, const AttentionPlan& plan, const std::vector<int64_t>& rows,
                             const at::Tensor& keys_M, int64_t chunk_bytes = kAttentionChunkBytes);

}  // namespace papo
