// The one header every kernel includes. With nvcc (or PAPO_CUDA, for host files of a CUDA build) it is CUDA's own;
// without, the same words run on the CPU under test/simt, which checks them. Kernels take raw pointers, sizes and a
// stream and never see a torch header.
//
//   PAPO_SHARED(float, scratch, 32);                     an array of the block, `count` known when compiling
//   PAPO_LAUNCH(kernel, grid, block, stream, args...)    launches; its value is a cudaError_t. A kernel with commas in
//                                                        its template arguments goes in parentheses.
//
// Shared arrays are passed on by value (`template <class Shared> f(Shared scratch)`), read and written by element;
// `scratch + 8` and `&scratch[8]` are shared arrays too. Elements may be structs, but are read and written whole.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__) || defined(PAPO_CUDA)
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#else
#include "test/simt/simt.h"
#endif

#if defined(__CUDACC__)
#define PAPO_SHARED(T, name, count) __shared__ T name[count]
#define PAPO_LAUNCH(kernel, grid, block, stream, ...) \
  [&]() -> cudaError_t {                              \
    kernel<<<grid, block, 0, stream>>>(__VA_ARGS__);  \
    return cudaGetLastError();                        \
  }()
#endif

#define PAPO_DEVICE __device__ __forceinline__

namespace papo::kernels {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// Of non-negative integers.
template <class T>
__host__ __device__ constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

// What a launch moves to and from memory at least, and computes: the floor of its time on a device.
struct KernelCost {
  double bytes = 0, flops = 0;
};

}  // namespace papo::kernels
