// Cached decoding beside the packed pass.
#pragma once

#include "model/qwen2_5_vl/policy.h"
#include "test/compare.h"

namespace papo {

// decode_attention of every group's newest response tokens beside group_attention_composed on the same random
// numbers; every response has 1 row or more. float32.
double compare_decode_attention(const OpSpec& spec);

// Largest |difference| between the logits of the packed pass over the groups and of cached decoding with the
// responses' tokens fed one by one; a response leaves the batch at its end. Prompts are prefilled by chunks of so many
// rows.
double compare_decode(const Policy& policy, const GroupBatch& batch, int64_t chunk_rows);

}  // namespace papo
