#include "kernels/rope.cuh"

#include "kernels/vector.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;

template <class Table>
__global__ void __launch_bounds__(kThreads)
    tables_kernel(const int* __restrict__ positions, RopeAngles angles, Table* __restrict__ cos_TE,
                  Table* __restrict__ sin_TE, int64_t rows, int half) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= rows * half) return;
  const int64_t t = index / half;
  const int i = static_cast<int>(index % half);
  const int axis = i < angles.axis_end[0] ? 0 : i < angles.axis_end[1] ? 1 : 2;
  const float angle = static_cast<float>(positions[axis * rows + t]) * angles.frequencies[i];
  // In half turns, reduced in double: sincosf's own reduction of large angles spills to local memory.
  const double turns = static_cast<double>(angle) * 0.31830988618379067154;
  float sine, cosine;
  sincospif(static_cast<float>(turns - 2.0 * rint(turns * 0.5)), &sine, &cosine);
  const int64_t at = t * 2 * half + i;
  cos_TE[at] = cos_TE[at + half] = from_float<Table>(cosine);
  sin_TE[at] = sin_TE[at + half] = from_float<Table>(sine);
}

// kStep elements of any type as floats, in as many loads of 16 bytes as they take.
template <int kStep, class T>
PAPO_DEVICE Floats<kStep> load_steps(const T* from) {
  if constexpr (kStep == 1 || kStep == kVector<T>) {
    return load_step<kStep>(from);
  } else {
    Floats<kStep> out;
#pragma unroll
    for (int first = 0; first < kStep; first += kVector<T>) {
      const auto part = load_vector(from + first);
#pragma unroll
      for (int i = 0; i < kVector<T>; ++i) out[first + i] = part[i];
    }
    return out;
  }
}

template <class T, class Table, int kStep>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(const T* x_THE, const Table* __restrict__ cos_TE, const Table* __restrict__ sin_TE, T* y_THE,
                RopeShape shape, float direction) {
  const int64_t row = blockIdx.x;
  const int half = shape.head_size / 2, steps = half / kStep;
  for (int index = threadIdx.x; index < shape.heads * steps; index += blockDim.x) {
    const int head = index / steps, e = index % steps * kStep;
    const T* x = x_THE + row * shape.x_row_stride + head * shape.x_head_stride + e;
    auto low = load_step<kStep>(x), high = load_step<kStep>(x + half);
    const auto cosine = load_steps<kStep>(cos_TE + row * shape.head_size + e);
    const auto sine = load_steps<kStep>(sin_TE + row * shape.head_size + e);
#pragma unroll
    for (int i = 0; i < kStep; ++i) {
      const float turned = direction * sine[i], before = low[i];
      low[i] = before * cosine[i] - high[i] * turned;
      high[i] = high[i] * cosine[i] + before * turned;
    }
    T* y = y_THE + row * shape.y_row_stride + head * shape.y_head_stride + e;
    store_step<kStep>(y, low);
    store_step<kStep>(y + half, high);
  }
}

}  // namespace

template <class Table>
cudaError_t rope_tables(const int* positions, const RopeAngles& angles, Table* cos_TE, Table* sin_TE, int64_t rows,
                        int head_size, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const int half = head_size / 2;
  return PAPO_LAUNCH((tables_kernel<Table>), static_cast<unsigned>(ceil_div(rows * half, int64_t{kThreads})), kThreads,
                     stream, positions, angles, cos_TE, sin_TE, rows, half);
}

template <class T, class Table>
cudaError_t rope(const T* x_THE, const Table* cos_TE, const Table* sin_TE, T* y_THE, const RopeShape& shape,
                 int direction, cudaStream_t stream) {
  if (shape.rows == 0) return cudaSuccess;
  constexpr int kStep = kVector<T>;
  const int64_t strides =
      shape.x_row_stride | shape.x_head_stride | shape.y_row_stride | shape.y_head_stride | (shape.head_size / 2);
  const auto grid = static_cast<unsigned>(shape.rows);
  const auto sign = static_cast<float>(direction);
  if (rows_are_vectors<T>(strides, x_THE, y_THE, cos_TE, sin_TE)) {
    const int threads = row_threads<T>(int64_t{shape.heads} * shape.head_size / 2, kThreads);
    return PAPO_LAUNCH((rope_kernel<T, Table, kStep>), grid, threads, stream, x_THE, cos_TE, sin_TE, y_THE, shape,
                       sign);
  }
  return PAPO_LAUNCH((rope_kernel<T, Table, 1>), grid, kThreads, stream, x_THE, cos_TE, sin_TE, y_THE, shape, sign);
}

KernelCost rope_tables_cost(int64_t rows, int head_size, int table_bytes) {
  const double angles = static_cast<double>(rows) * head_size / 2;
  return {12.0 * static_cast<double>(rows) + 2.0 * head_size + 4 * angles * table_bytes, 20 * angles};
}
KernelCost rope_cost(const RopeShape& shape, int element_bytes, int table_bytes) {
  const double row = static_cast<double>(shape.rows) * shape.head_size;
  return {row * (2.0 * shape.heads * element_bytes + table_bytes),
          3 * row * shape.heads};  // half of each table is read
}

#define PAPO_INSTANTIATE_TABLES(Table) \
  template cudaError_t rope_tables(const int*, const RopeAngles&, Table*, Table*, int64_t, int, cudaStream_t);
#define PAPO_INSTANTIATE(T, Table) \
  template cudaError_t rope(const T*, const Table*, const Table*, T*, const RopeShape&, int, cudaStream_t);
PAPO_INSTANTIATE_TABLES(float)
PAPO_INSTANTIATE_TABLES(__nv_bfloat16)
PAPO_INSTANTIATE(float, float)
PAPO_INSTANTIATE(__nv_bfloat16, float)
PAPO_INSTANTIATE(__nv_bfloat16, __nv_bfloat16)
#undef PAPO_INSTANTIATE_TABLES
#undef PAPO_INSTANTIATE

}  // namespace papo::kernels
