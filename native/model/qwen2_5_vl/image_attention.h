// What responses look at in their pictures: attention from response to image tokens, over a batch.
#pragma once

#include "attention/attention_on_keys.h"
#include "model/qwen2_5_vl/policy.h"

namespace papo {

struct ImageAttentionSpec {
  int64_t max_tokens = 16384;  // rows a micro-batch
  int64_t chunk_bytes = kAttentionChunkBytes;
};

// Of each response, in packing order: the attention on each image token of its prompt, [M] float64: a mean over all
// layers, heads and the rows that predict the response's tokens, weighted alike. Sums to the share of the attention
// that goes to pictures. Nothing of a layer is kept but that sum. E_VALUE for a prompt without pictures or a response
// without tokens.
std::vector<at::Tensor> image_attention(const Policy& policy, const GroupBatch& batch, const ImageAttentionSpec& spec,
                                        const Watch& watch);

}  // namespace papo
