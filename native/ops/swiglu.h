#pragma once

#include "core/torch_compat.h"

namespace papo {

// gate_up_N2I holds gate in columns [0, I), up in [I, 2I): silu(gate) * up -> [N, I].
at::Tensor swiglu(const at::Tensor& gate_up_N2I);

at::Tensor swiglu_composed(const at::Tensor& gate_up_N2I);

// By the kernels of a device: float32 and bfloat16.
at::Tensor swiglu_device(const at::Tensor& gate_up_N2I);

// CPU kernels over contiguous rows (float32, float64). The backward one also gives the op's value once more.
void swiglu_forward_cpu(const at::Tensor& gate_up_N2I, const at::Tensor& y_NI);
void swiglu_backward_cpu(const at::Tensor& grad_NI, const at::Tensor& gate_up_N2I, const at::Tensor& grad_gate_up_N2I,
                         const at::Tensor& y_NI);

}  // namespace papo
