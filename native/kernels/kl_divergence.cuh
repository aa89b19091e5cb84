// KL(p || q) over the whole vocabulary of two chunks of logits, its gradients written over them. T is float or
// __nv_bfloat16.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

struct KlDivergence {
  float* kl_C;               // sum_v p (ln p - ln q); a p of 0 counts as 0, a q of 0 beside a p over 0 gives inf
  float *lse_p_C, *lse_q_C;  // log sum exp of logits * inverse_temperature
  int* bad_row;              // becomes min(bad_row, first_row + row) over rows where an lse is not finite
};

// p_CV and q_CV are logits, rows contiguous at any alignment; both are read once. One block of up to 512 threads a row,
// at most 64 registers. No rows are no launch.
template <class T>
cudaError_t kl_divergence(const T* p_CV, const T* q_CV, float inverse_temperature, const KlDivergence& out,
                          int64_t first_row, int64_t rows, int vocab, cudaStream_t stream);

// Writes g_kl_C * dKL/dlogits over both chunks: p (ln p - ln q - KL) and q - p, times inverse_temperature. Without
// q_grad q_CV is left as it is (q is constant).
template <class T>
cudaError_t kl_divergence_backward_(T* p_CV, T* q_CV, bool q_grad, float inverse_temperature, const KlDivergence& saved,
                                    const float* g_kl_C, int64_t rows, int vocab, cudaStream_t stream);

KernelCost kl_divergence_cost(int64_t rows, int vocab, int element_bytes);
KernelCost kl_divergence_backward_cost(int64_t rows, int vocab, bool q_grad, int element_bytes);

}  // namespace papo::kernels
