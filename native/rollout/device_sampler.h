#pragma once

#include "rollout/decoder.h"

namespace papo {

// One token a row by the kernel of a device; the host waits for it. Logits of forbidden ids become -inf.
SampledTokens sample_on_device(const at::Tensor& logits_MV, const std::vector<SampleRow>& rows,
                               const SamplingSpec& spec, const std::vector<int64_t>& forbidden_ids);

}  // namespace papo
