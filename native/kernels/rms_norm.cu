#include "kernels/rms_norm.cuh"

#include "kernels/reduce.cuh"
#include "kernels/vector.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;
// Rows of a slice of the weight's gradient, summed by kWarps warps; columns are shared out by lanes.
constexpr int kSliceRows = 64, kWarps = kThreads / kWarp;

template <class T, int kStep>
__global__ void __launch_bounds__(kThreads)
    rms_norm_kernel(const T* __restrict__ x_ND, const T* __restrict__ weight_D, float eps, T* __restrict__ y_ND,
                    float* __restrict__ rstd_N, int width) {
  PAPO_SHARED(float, scratch, kWarp);
  const int64_t row = blockIdx.x;
  const T* x = x_ND + row * width;
  T* y = y_ND + row * width;
  float squares = 0;
  for (int d = threadIdx.x * kStep; d < width; d += blockDim.x * kStep) {
    const auto v = load_step<kStep>(x + d);
#pragma unroll
    for (int i = 0; i < kStep; ++i) squares += v[i] * v[i];
  }
  const float rstd = 1.0f / sqrtf(block_sum(squares, scratch) / static_cast<float>(width) + eps);
  if (threadIdx.x == 0) rstd_N[row] = rstd;
  // The second reading comes from the cache.
  for (int d = threadIdx.x * kStep; d < width; d += blockDim.x * kStep) {
    auto v = load_step<kStep>(x + d);
    const auto w = load_step<kStep>(weight_D + d);
#pragma unroll
    for (int i = 0; i < kStep; ++i) v[i] = w[i] * rounded_to<T>(v[i] * rstd);
    store_step<kStep>(y + d, v);
  }
}

// grad_x = rstd * (g w - x * rstd^2 * mean(g w x)).
template <class T, int kStep>
__global__ void __launch_bounds__(kThreads)
    grad_x_kernel(const T* __restrict__ grad_ND, const T* __restrict__ x_ND, const T* __restrict__ weight_D,
                  const float* __restrict__ rstd_N, T* __restrict__ grad_x_ND, int width) {
  PAPO_SHARED(float, scratch, kWarp);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * width;
  float dot = 0;
  for (int d = threadIdx.x * kStep; d < width; d += blockDim.x * kStep) {
    const auto g = load_step<kStep>(grad_ND + first + d), x = load_step<kStep>(x_ND + first + d);
    const auto w = load_step<kStep>(weight_D + d);
#pragma unroll
    for (int i = 0; i < kStep; ++i) dot += g[i] * w[i] * x[i];
  }
  const float rstd = rstd_N[blockIdx.x];
  const float shift = block_sum(dot, scratch) * rstd * rstd / static_cast<float>(width);
  for (int d = threadIdx.x * kStep; d < width; d += blockDim.x * kStep) {
    auto g = load_step<kStep>(grad_ND + first + d);
    const auto x = load_step<kStep>(x_ND + first + d), w = load_step<kStep>(weight_D + d);
#pragma unroll
    for (int i = 0; i < kStep; ++i) g[i] = rstd * (g[i] * w[i] - x[i] * shift);
    store_step<kStep>(grad_x_ND + first + d, g);
  }
}

// One block for kWarp * kStep columns of a slice of rows: warp w takes rows w, w + kWarps, ...; the warps' sums are
// added in their order.
template <class T, int kStep>
__global__ void __launch_bounds__(kThreads)
    slice_kernel(const T* __restrict__ grad_ND, const T* __restrict__ x_ND, const float* __restrict__ rstd_N,
                 float* __restrict__ partial_SD, int64_t rows, int width, int column_blocks) {
  constexpr int kColumns = kWarp * kStep;
  PAPO_SHARED(float, sums, kWarps* kColumns);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t slice = blockIdx.x / column_blocks;
  const int first_column = static_cast<int>(blockIdx.x % column_blocks) * kColumns,
            column = first_column + lane * kStep;
  const int64_t end = rows < (slice + 1) * kSliceRows ? rows : (slice + 1) * kSliceRows;
  Floats<kStep> sum = {};
  if (column < width) {
    for (int64_t row = slice * kSliceRows + warp; row < end; row += kWarps) {
      const auto g = load_step<kStep>(grad_ND + row * width + column),
                 x = load_step<kStep>(x_ND + row * width + column);
      const float rstd = rstd_N[row];
#pragma unroll
      for (int i = 0; i < kStep; ++i) sum[i] += g[i] * rounded_to<T>(x[i] * rstd);
    }
  }
  // Lane after lane for each i, so that the stores of a warp do not meet in a bank.
#pragma unroll
  for (int i = 0; i < kStep; ++i) sums[warp * kColumns + i * kWarp + lane] = sum[i];
  __syncthreads();
  for (int c = threadIdx.x; c < kColumns; c += kThreads) {
    if (first_column + c >= width) break;
    const int at = c % kStep * kWarp + c / kStep;
    float total = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) total += sums[w * kColumns + at];
    partial_SD[slice * width + first_column + c] = total;
  }
}

__global__ void __launch_bounds__(kThreads)
    add_slices_kernel(const float* __restrict__ partial_SD, float* __restrict__ grad_D, int slices, int width) {
  const int d = blockIdx.x * kThreads + threadIdx.x;
  if (d >= width) return;
  float total = 0;
#pragma unroll 8
  for (int slice = 0; slice < slices; ++slice) total += partial_SD[static_cast<int64_t>(slice) * width + d];
  grad_D[d] += total;
}

template <class T, int kStep>
cudaError_t grad_weight(const T* grad_ND, const T* x_ND, const float* rstd_N, float* workspace, float* grad_D,
                        int64_t rows, int width, cudaStream_t stream) {
  const int64_t slices = ceil_div(rows, int64_t{kSliceRows});
  const int column_blocks = ceil_div(width, kWarp * kStep);
  const cudaError_t error = PAPO_LAUNCH((slice_kernel<T, kStep>), static_cast<unsigned>(slices * column_blocks),
                                        kThreads, stream, grad_ND, x_ND, rstd_N, workspace, rows, width, column_blocks);
  if (error != cudaSuccess) return error;
  return PAPO_LAUNCH(add_slices_kernel, ceil_div(width, kThreads), kThreads, stream, workspace, grad_D,
                     static_cast<int>(slices), width);
}

}  // namespace

template <class T>
cudaError_t rms_norm(const T* x_ND, const T* weight_D, float eps, T* y_ND, float* rstd_N, int64_t rows, int width,
                     cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>(rows);
  const int threads = row_threads<T>(width, kThreads);
  if (rows_are_vectors<T>(width, x_ND, weight_D, y_ND))
    return PAPO_LAUNCH((rms_norm_kernel<T, kVector<T>>), grid, threads, stream, x_ND, weight_D, eps, y_ND, rstd_N,
                       width);
  return PAPO_LAUNCH((rms_norm_kernel<T, 1>), grid, threads, stream, x_ND, weight_D, eps, y_ND, rstd_N, width);
}

template <class T>
cudaError_t rms_norm_grad_x(const T* grad_y_ND, const T* x_ND, const T* weight_D, const float* rstd_N, T* grad_x_ND,
                            int64_t rows, int width, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>(rows);
  const int threads = row_threads<T>(width, kThreads);
  if (rows_are_vectors<T>(width, grad_y_ND, x_ND, weight_D, grad_x_ND))
    return PAPO_LAUNCH((grad_x_kernel<T, kVector<T>>), grid, threads, stream, grad_y_ND, x_ND, weight_D, rstd_N,
                       grad_x_ND, width);
  return PAPO_LAUNCH((grad_x_kernel<T, 1>), grid, threads, stream, grad_y_ND, x_ND, weight_D, rstd_N, grad_x_ND, width);
}

int64_t rms_norm_workspace(int64_t rows, int width) { return ceil_div(rows, int64_t{kSliceRows}) * width; }

template <class T>
cudaError_t rms_norm_grad_weight(const T* grad_y_ND, const T* x_ND, const float* rstd_N, float* workspace,
                                 float* grad_weight_D, int64_t rows, int width, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const auto run = rows_are_vectors<T>(width, grad_y_ND, x_ND) ? grad_weight<T, kVector<T>> : grad_weight<T, 1>;
  return run(grad_y_ND, x_ND, rstd_N, workspace, grad_weight_D, rows, width, stream);
}

KernelCost rms_norm_cost(int64_t rows, int width, int element_bytes) {
  const double elements = static_cast<double>(rows) * width;
  return {(2 * elements + width) * element_bytes + 4.0 * static_cast<double>(rows), 4 * elements};
}
KernelCost rms_norm_grad_x_cost(int64_t rows, int width, int element_bytes) {
  const double elements = static_cast<double>(rows) * width;
  return {(3 * elements + width) * element_bytes + 4.0 * static_cast<double>(rows), 7 * elements};
}
KernelCost rms_norm_grad_weight_cost(int64_t rows, int width, int element_bytes) {
  const double elements = static_cast<double>(rows) * width;
  // Each slice is written once and read once.
  const double partial = 8.0 * static_cast<double>(rms_norm_workspace(rows, width));
  return {2 * elements * element_bytes + partial + 8.0 * width + 4.0 * static_cast<double>(rows), 3 * elements};
}

#define PAPO_INSTANTIATE(T)                                                                                         \
  template cudaError_t rms_norm(const T*, const T*, float, T*, float*, int64_t, int, cudaStream_t);                 \
  template cudaError_t rms_norm_grad_x(const T*, const T*, const T*, const float*, T*, int64_t, int, cudaStream_t); \
  template cudaError_t rms_norm_grad_weight(const T*, const T*, const float*, float*, float*, int64_t, int,         \
                                            cudaStream_t);
PAPO_INSTANTIATE(float)
PAPO_INSTANTIATE(__nv_bfloat16)
#undef PAPO_INSTANTIATE

}  // namespace papo::kernels
