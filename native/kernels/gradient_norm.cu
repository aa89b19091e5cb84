#include "kernels/gradient_norm.cuh"

#include "kernels/wide.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPerBlock = kThreads * 16;  // elements below which another block is not worth it

int64_t num_blocks(int64_t count) {
  const int64_t wanted = ceil_div(count, kPerBlock);
  return wanted < 1 ? 1 : wanted > kNormPartials ? kNormPartials : wanted;
}

// Blocks stride over the whole buffer. 8 blocks an SM (32 registers) keep enough loads in flight.
__global__ void __launch_bounds__(kThreads, 8)
    squares_kernel(const float* grad, int64_t num_vectors, int64_t count, double* partials) {
  PAPO_SHARED(double, scratch, kWarp);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  double sum = 0;
#pragma unroll 4
  for (int64_t i = first; i < num_vectors; i += stride) {
    const Lanes<float> x = load_vector(grad + i * kVector<float>);
    const double a = x[0], b = x[1], c = x[2], d = x[3];
    sum += (a * a + b * b) + (c * c + d * d);
  }
  for (int64_t i = num_vectors * kVector<float> + first; i < count; i += stride) {
    const double x = grad[i];
    sum += x * x;
  }
  sum = wide_block_sum(sum, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) norm_kernel(const double* partials, int num_partials, double* norm) {
  PAPO_SHARED(double, scratch, kWarp);
  double sum = 0;
  for (int i = threadIdx.x; i < num_partials; i += kThreads) sum += partials[i];
  sum = wide_block_sum(sum, scratch);
  if (threadIdx.x == 0) *norm = sqrt(sum);
}

}  // namespace

cudaError_t gradient_norm(const float* grad, int64_t count, double* partials, double* norm, cudaStream_t stream) {
  const int blocks = static_cast<int>(num_blocks(count));
  const int64_t num_vectors = is_vector_aligned(grad) ? count / kVector<float> : 0;
  const cudaError_t error = PAPO_LAUNCH(squares_kernel, blocks, kThreads, stream, grad, num_vectors, count, partials);
  if (error != cudaSuccess) return error;
  return PAPO_LAUNCH(norm_kernel, 1, kThreads, stream, partials, blocks, norm);
}

KernelCost gradient_norm_cost(int64_t count) {
  return {4.0 * static_cast<double>(count), 2.0 * static_cast<double>(count)};
}

}  // namespace papo::kernels
