// What a device reads of a decoding step's batch, in one tensor whose layout follows from a few sizes. Sizes are
// rounded up, so that many batches have the same: their steps are replays of one graph. Rows behind the batch's own
// stand for responses of one token in the pool's scratch page, and nobody reads what comes of them.
#pragma once

#include "rollout/device_cache.h"

namespace papo {

struct StepSizes {
  int rows, items, parts, pages;  // pages: of a row
  auto operator<=>(const StepSizes&) const = default;
};

// Rows in steps of a quarter of the power of two below: 1 to 8, 10, 12, 14, 16, 20, ...
int bucket_rows(int rows);

// On the host, as the words of StepInputs::words.
struct HostStep {
  StepSizes sizes;
  std::vector<int32_t> words;
};
// Feeds tokens[i] to responses[i], which get the pages for them.
HostStep gather_step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens,
                     int32_t scratch_page, const qwen2_5_vl::TextConfig& text);

// On the current device; M = sizes.rows.
struct StepInputs {
  StepSizes sizes;
  at::Tensor words;            // all of it, int32
  at::Tensor ids_M;            // int64
  at::Tensor prompt_pointers;  // [L, 2, M] int64: keys, values of the first prompts
  at::Tensor positions_M;      // int32, as the rest: rotary
  at::Tensor items;            // kernels::DecodeItem
  at::Tensor first_part;       // [M + 1]
  at::Tensor places_M;         // of the fed tokens in their responses
  at::Tensor page_table;       // [M, pages]
};
StepInputs make_step_inputs(const StepSizes& sizes, const qwen2_5_vl::TextConfig& text);

}  // namespace papo
