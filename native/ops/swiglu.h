#pragma once

#include "core/torch_compat.h"

namespace papo {

// gate_up_N2I holds gate in columns [0, I), up in [I, 2I): silu(gate) * up -> [N, I].
at::Tensor swiglu(const at::Tensor& gate_up_N2I);

at::Tensor swiglu_composed(const at::Tensor& gate_up_N2I);

}  // namespace papo
