// One step of AdamW over flat buffers: clipping, moments, weights and the zeroing of the gradient in one launch.
// The arithmetic is that of optim/adamw.cc in float32.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// All buffers hold `count` elements. W, M: float or __nv_bfloat16.
template <class W, class M>
struct AdamwBuffers {
  W* weights;
  M *first, *second;          // moments
  float* grad;                // zeroed by the step
  float* master = nullptr;    // weights in float32: bfloat16 weights with float32 moments
  W* compensation = nullptr;  // Kahan: bfloat16 weights with bfloat16 moments
};

struct AdamwRates {
  float beta1, beta2, eps;
  float decay;           // lr * weight decay
  float rate;            // lr / (1 - beta1^t)
  float root;            // 1 / sqrt(1 - beta2^t)
  double max_grad_norm;  // the gradient is scaled by min(1, max_grad_norm / (norm + 1e-6))
};

// Of step number `step`, which counts from 1.
AdamwRates adamw_rates(double lr, double beta1, double beta2, double eps, double weight_decay, double max_grad_norm,
                       int64_t step);

// norm [1] double is what gradient_norm left on the device, so the host need not wait for it. When it is not finite the
// gradient is zeroed, nothing else moves and *skipped (int32) becomes 1, else 0: the caller reads it before its next
// step, because a skipped step does not count. (W, M): (float, float), (float, bfloat16), (bfloat16, float) with
// master, (bfloat16, bfloat16) with compensation. cudaErrorInvalidValue when the buffer of a pair is missing.
template <class W, class M>
cudaError_t adamw(const AdamwBuffers<W, M>& buffers, int64_t count, const AdamwRates& rates, const double* norm,
                  int32_t* skipped, cudaStream_t stream);

// bytes_per_weight and bytes_per_moment: 4 or 2.
KernelCost adamw_cost(int64_t count, int bytes_per_weight, int bytes_per_moment);

}  // namespace papo::kernels
