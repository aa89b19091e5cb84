// sqrt(sum of squares) of a flat gradient, left on the device for adamw.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// Doubles of work space that gradient_norm needs.
constexpr int64_t kNormPartials = 1024;

// grad [count] float32, partials [kNormPartials] and norm [1] double: *norm = sqrt(sum grad^2), summed in double in an
// order that depends on count alone. inf or nan in grad gives inf or nan. Two launches.
cudaError_t gradient_norm(const float* grad, int64_t count, double* partials, double* norm, cudaStream_t stream);

KernelCost gradient_norm_cost(int64_t count);

}  // namespace papo::kernels
