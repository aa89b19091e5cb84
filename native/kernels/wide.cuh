// Eight elements a thread whatever their type, and sums in double; their order is fixed by the sizes alone.
#pragma once

#include <cfloat>

#include "kernels/reduce.cuh"
#include "kernels/vector.cuh"

namespace papo::kernels {

constexpr int kEight = 8;

struct Eight {
  float lane[kEight];
  PAPO_DEVICE float& operator[](int i) { return lane[i]; }
  PAPO_DEVICE float operator[](int i) const { return lane[i]; }
};

// from must be 16-byte aligned.
template <class T>
PAPO_DEVICE Eight load_eight(const T* from) {
  Eight out;
#pragma unroll
  for (int first = 0; first < kEight; first += kVector<T>) {
    const Lanes<T> part = load_vector(from + first);
#pragma unroll
    for (int i = 0; i < kVector<T>; ++i) out[first + i] = part[i];
  }
  return out;
}
template <class T>
PAPO_DEVICE void store_eight(T* to, const Eight& values) {
#pragma unroll
  for (int first = 0; first < kEight; first += kVector<T>) {
    Lanes<T> part;
#pragma unroll
    for (int i = 0; i < kVector<T>; ++i) part[i] = values[first + i];
    store_vector(to + first, part);
  }
}

__host__ __device__ inline bool is_finite(float x) { return fabsf(x) <= FLT_MAX; }
__host__ __device__ inline bool is_finite(double x) { return fabs(x) <= DBL_MAX; }

// As warp_sum and block_sum of reduce.cuh, for double and int. scratch: kWarp values of T.
template <class T>
PAPO_DEVICE T wide_warp_sum(T value) {
#pragma unroll
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  return value;
}
template <class T, class Shared>
PAPO_DEVICE T wide_block_sum(T value, Shared scratch) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  value = wide_warp_sum(value);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  const T other = lane < warps ? static_cast<T>(scratch[lane]) : T(0);
  value = wide_warp_sum(other);
  __syncthreads();
  return value;
}

}  // namespace papo::kernels
