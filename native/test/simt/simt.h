// CUDA's device words for kernels compiled as plain C++. kernels/platform.cuh includes it where there is no nvcc.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "test/simt/shared.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

#define threadIdx (::simt::self->index)
#define blockIdx (::simt::self->block)
#define blockDim (::simt::block->size)
#define gridDim (::simt::block->grid)

#define PAPO_LAUNCH(kernel, grid, block, stream, ...) \
  ::simt::launch(#kernel, kernel, grid, block, stream __VA_OPT__(, ) __VA_ARGS__)

// glibc declares functions of these names, hence macros.
#define __expf(x) ::expf(x)
#define __exp2f(x) ::exp2f(x)
#define __logf(x) ::logf(x)
#define __log2f(x) ::log2f(x)
#define __sinf(x) ::sinf(x)
#define __cosf(x) ::cosf(x)
#define __powf(x, y) ::powf(x, y)

// sin and cos of x half turns.
inline void sincospi(double x, double* sine, double* cosine) {
  *sine = std::sin(std::numbers::pi * x);
  *cosine = std::cos(std::numbers::pi * x);
}
inline void sincospif(float x, float* sine, float* cosine) {
  double wide_sine, wide_cosine;
  sincospi(x, &wide_sine, &wide_cosine);
  *sine = static_cast<float>(wide_sine);
  *cosine = static_cast<float>(wide_cosine);
}
inline float rsqrtf(float x) { return 1.0f / ::sqrtf(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return ::sqrtf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmaf_rn(float x, float y, float z) { return ::fmaf(x, y, z); }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
inline float __ldg(const float* p) { return *p; }
inline int __ldg(const int* p) { return *p; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((uint64_t{a} * b) >> 32); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
using std::max;
using std::min;

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __syncthreads(simt::Where where = simt::Where::current()) { simt::barrier(where); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, simt::Where where = simt::Where::current()) {
  simt::warp_op(simt::Op::kSyncWarp, mask, 0, 0, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, simt::Where where = simt::Where::current()) {
  return static_cast<unsigned>(simt::warp_op(simt::Op::kBallot, mask, predicate != 0, 0, where));
}
inline int __any_sync(unsigned mask, int predicate, simt::Where where = simt::Where::current()) {
  return __ballot_sync(mask, predicate, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, simt::Where where = simt::Where::current()) {
  return __ballot_sync(mask, !predicate, where) == 0;
}

namespace simt {
template <class T>
T shuffle(unsigned mask, T value, int source, Where where) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = warp_op(Op::kShuffle, mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
}  // namespace simt

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, simt::Where where = simt::Where::current()) {
  return simt::shuffle(mask, value, simt::self->lane / width * width + (lane & (width - 1)), where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, simt::Where where = simt::Where::current()) {
  const int lane = simt::self->lane, source = lane ^ lanes;
  return simt::shuffle(mask, value, source / width <= lane / width ? source : lane, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32, simt::Where where = simt::Where::current()) {
  const int lane = simt::self->lane, source = lane + static_cast<int>(lanes);
  return simt::shuffle(mask, value, source / width == lane / width ? source : lane, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32, simt::Where where = simt::Where::current()) {
  const int lane = simt::self->lane, source = lane - static_cast<int>(lanes);
  return simt::shuffle(mask, value, source >= lane / width * width ? source : lane, where);
}

// Blocks of a launch run on one OS thread, so global atomics are plain updates; those on shared memory are checked.
#define PAPO_SIMT_ATOMIC(name, change)                                     \
  template <class T>                                                       \
  T name(T* to, std::type_identity_t<T> value) {                           \
    const T before = *to;                                                  \
    *to = static_cast<T>(change);                                          \
    return before;                                                         \
  }                                                                        \
  template <class T>                                                       \
  T name(const simt::Shared<T>& to, std::type_identity_t<T> value) {       \
    return to[0].update([&](T before) { return static_cast<T>(change); }); \
  }
PAPO_SIMT_ATOMIC(atomicAdd, before + value)
PAPO_SIMT_ATOMIC(atomicSub, before - value)
PAPO_SIMT_ATOMIC(atomicMin, value < before ? value : before)
PAPO_SIMT_ATOMIC(atomicMax, before < value ? value : before)
PAPO_SIMT_ATOMIC(atomicOr, before | value)
PAPO_SIMT_ATOMIC(atomicAnd, before& value)
PAPO_SIMT_ATOMIC(atomicExch, ((void)before, value))
#undef PAPO_SIMT_ATOMIC
template <class T>
T atomicCAS(T* to, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  const T before = *to;
  if (before == expected) *to = value;
  return before;
}
