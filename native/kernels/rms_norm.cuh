// RMSNorm over rows, forward and backward. T is float or __nv_bfloat16; pointers are of the device, rows contiguous.
// No rows are no launch.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// y_ND = weight_D * T(x_ND * rstd_N), rstd = 1 / sqrt(mean(x^2) + eps) in float32: in bfloat16 rounded where
// transformers' Qwen2RMSNorm rounds. One block of up to 256 threads a row, at most 40 registers.
template <class T>
cudaError_t rms_norm(const T* x_ND, const T* weight_D, float eps, T* y_ND, float* rstd_N, int64_t rows, int width,
                     cudaStream_t stream);

// grad_x_ND, from the forward pass's x and rstd.
template <class T>
cudaError_t rms_norm_grad_x(const T* grad_y_ND, const T* x_ND, const T* weight_D, const float* rstd_N, T* grad_x_ND,
                            int64_t rows, int width, cudaStream_t stream);

// Floats of workspace that rms_norm_grad_weight needs.
int64_t rms_norm_workspace(int64_t rows, int width);

// Adds sum over rows of grad_y * x_hat to grad_weight_D, in an order that depends on rows alone: slices of 64 rows,
// then the slices. Two launches, blocks of 256 threads, at most 48 registers.
template <class T>
cudaError_t rms_norm_grad_weight(const T* grad_y_ND, const T* x_ND, const float* rstd_N, float* workspace,
                                 float* grad_weight_D, int64_t rows, int width, cudaStream_t stream);

// element_bytes: size of T.
KernelCost rms_norm_cost(int64_t rows, int width, int element_bytes);
KernelCost rms_norm_grad_x_cost(int64_t rows, int width, int element_bytes);
KernelCost rms_norm_grad_weight_cost(int64_t rows, int width, int element_bytes);

}  // namespace papo::kernels
