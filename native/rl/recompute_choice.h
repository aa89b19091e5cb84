// How many layers of a micro-batch run again in its backward pass.
#pragma once

#include "model/qwen2_5_vl/policy.h"

namespace papo {

// Rows of the passes over groups with plain pictures, and over the masked view where that has a gradient.
UpdateRows update_rows(const std::vector<GroupInput>& groups, const MaskedView* recompute);

struct RecomputeChoice {
  Recomputed recomputed;
  double bytes;  // that the update of these rows takes by the model
};
// As the policy's options have it; with kAuto the fewest with which the rows fit into `available` bytes. Throws E_OOM
// with the bytes that are needed when none does.
RecomputeChoice choose_recomputed(const Policy& policy, const UpdateForm& form, const UpdateRows& rows,
                                  double available);

}  // namespace papo
