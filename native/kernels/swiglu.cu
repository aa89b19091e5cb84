#include "kernels/swiglu.cuh"

#include "kernels/vector.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;

// A block covers kThreads * kStep columns of a row.
struct Place {
  int64_t row;
  int column;
};
template <int kStep>
PAPO_DEVICE Place place(int row_blocks) {
  return {blockIdx.x / row_blocks, static_cast<int>((blockIdx.x % row_blocks) * kThreads + threadIdx.x) * kStep};
}

PAPO_DEVICE float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

template <class T, int kStep>
__global__ void __launch_bounds__(kThreads)
    swiglu_kernel(const T* __restrict__ gate_up_N2I, T* __restrict__ y_NI, int width, int row_blocks) {
  const auto [row, column] = place<kStep>(row_blocks);
  if (column >= width) return;
  const T* gate = gate_up_N2I + row * 2 * width + column;
  auto g = load_step<kStep>(gate);
  const auto u = load_step<kStep>(gate + width);
#pragma unroll
  for (int i = 0; i < kStep; ++i) g[i] = rounded_to<T>(g[i] * sigmoid(g[i])) * u[i];
  store_step<kStep>(y_NI + row * width + column, g);
}

// d silu(g) / dg = s (1 + g (1 - s)) with s = sigmoid(g).
template <class T, int kStep>
__global__ void __launch_bounds__(kThreads) swiglu_backward_kernel(const T* __restrict__ grad_NI, const T* gate_up_N2I,
                                                                   T* grad_gate_up_N2I, int width, int row_blocks) {
  const auto [row, column] = place<kStep>(row_blocks);
  if (column >= width) return;
  const int64_t at = row * 2 * width + column;
  auto g = load_step<kStep>(gate_up_N2I + at), u = load_step<kStep>(gate_up_N2I + at + width);
  const auto d = load_step<kStep>(grad_NI + row * width + column);
#pragma unroll
  for (int i = 0; i < kStep; ++i) {
    const float s = sigmoid(g[i]), grad_gate = d[i] * u[i] * s * (1.0f + g[i] * (1.0f - s));
    u[i] = d[i] * g[i] * s;
    g[i] = grad_gate;
  }
  store_step<kStep>(grad_gate_up_N2I + at, g);
  store_step<kStep>(grad_gate_up_N2I + at + width, u);
}

}  // namespace

template <class T>
cudaError_t swiglu(const T* gate_up_N2I, T* y_NI, int64_t rows, int width, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const auto launch = [&]<int kStep>() {
    const int row_blocks = ceil_div(width, kThreads * kStep);
    return PAPO_LAUNCH((swiglu_kernel<T, kStep>), static_cast<unsigned>(rows * row_blocks), kThreads, stream,
                       gate_up_N2I, y_NI, width, row_blocks);
  };
  if (rows_are_vectors<T>(width, gate_up_N2I, y_NI)) return launch.template operator()<kVector<T>>();
  return launch.template operator()<1>();
}

template <class T>
cudaError_t swiglu_backward(const T* grad_y_NI, const T* gate_up_N2I, T* grad_gate_up_N2I, int64_t rows, int width,
                            cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const auto launch = [&]<int kStep>() {
    const int row_blocks = ceil_div(width, kThreads * kStep);
    return PAPO_LAUNCH((swiglu_backward_kernel<T, kStep>), static_cast<unsigned>(rows * row_blocks), kThreads, stream,
                       grad_y_NI, gate_up_N2I, grad_gate_up_N2I, width, row_blocks);
  };
  if (rows_are_vectors<T>(width, grad_y_NI, gate_up_N2I, grad_gate_up_N2I))
    return launch.template operator()<kVector<T>>();
  return launch.template operator()<1>();
}

KernelCost swiglu_cost(int64_t rows, int width, int element_bytes) {
  const double elements = static_cast<double>(rows) * width;
  return {3 * elements * element_bytes, 5 * elements};
}
KernelCost swiglu_backward_cost(int64_t rows, int width, int element_bytes) {
  const double elements = static_cast<double>(rows) * width;
  return {5 * elements * element_bytes, 12 * elements};
}

#define PAPO_INSTANTIATE(T)                                              \
  template cudaError_t swiglu(const T*, T*, int64_t, int, cudaStream_t); \
  template cudaError_t swiglu_backward(const T*, const T*, T*, int64_t, int, cudaStream_t);
PAPO_INSTANTIATE(float)
PAPO_INSTANTIATE(__nv_bfloat16)
#undef PAPO_INSTANTIATE

}  // namespace papo::kernels
