// silu(gate) * up of the gated MLP, forward and backward. T is float or __nv_bfloat16. No rows
// are no launch.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// gate_up_N2I holds gate in columns [0, I), up in [I, 2I): y_NI = T(silu(gate)) * up, rounded as transformers does.
// One thread for 16 bytes of y, blocks of 256 threads, at most 40 registers.
template <class T>
cudaError_t swiglu(const T* gate_up_N2I, T* y_NI, int64_t rows, int width, cudaStream_t stream);

// grad_gate_up_N2I may be gate_up_N2I: a thread reads its elements before it writes them.
template <class T>
cudaError_t swiglu_backward(const T* grad_y_NI, const T* gate_up_N2I, T* grad_gate_up_N2I, int64_t rows, int width,
                            cudaStream_t stream);

// width: I. element_bytes: size of T.
KernelCost swiglu_cost(int64_t rows, int width, int element_bytes);
KernelCost swiglu_backward_cost(int64_t rows, int width, int element_bytes);

}  // namespace papo::kernels
