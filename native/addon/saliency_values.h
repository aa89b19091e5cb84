// Saliency models for JavaScript; types in lib/native/binding.ts.
#pragma once

#include "addon/policy_values.h"
#include "model/saliency_model.h"

namespace papo {

PAPO_HANDLE(SaliencyModel, "saliency model", 0x7061706f00000007, 0x73616c69656e0007);

}  // namespace papo
