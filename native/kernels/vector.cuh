// Loads and stores of 16 bytes as float lanes; activations are float or __nv_bfloat16, arithmetic is float.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

template <class T>
constexpr int kVector = 16 / static_cast<int>(sizeof(T));

PAPO_DEVICE float to_float(float x) { return x; }
PAPO_DEVICE float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T>
PAPO_DEVICE T from_float(float x);
template <>
PAPO_DEVICE float from_float<float>(float x) {
  return x;
}
template <>
PAPO_DEVICE __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// x as it is after a store as T.
template <class T>
PAPO_DEVICE float rounded_to(float x) {
  return to_float(from_float<T>(x));
}

// Index it with constants of unrolled loops only, so that it stays in registers.
template <int kCount>
struct Floats {
  float lane[kCount];
  PAPO_DEVICE float& operator[](int i) { return lane[i]; }
  PAPO_DEVICE float operator[](int i) const { return lane[i]; }
};
// 16 bytes of T as floats.
template <class T>
using Lanes = Floats<kVector<T>>;

// from must be 16-byte aligned.
PAPO_DEVICE Lanes<float> load_vector(const float* from) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  return {{v.x, v.y, v.z, v.w}};
}
PAPO_DEVICE Lanes<__nv_bfloat16> load_vector(const __nv_bfloat16* from) {
  const uint4 v = *reinterpret_cast<const uint4*>(from);
  // A bfloat16 is the upper half of a float.
  return {{__uint_as_float(v.x << 16), __uint_as_float(v.x & 0xFFFF0000u), __uint_as_float(v.y << 16),
           __uint_as_float(v.y & 0xFFFF0000u), __uint_as_float(v.z << 16), __uint_as_float(v.z & 0xFFFF0000u),
           __uint_as_float(v.w << 16), __uint_as_float(v.w & 0xFFFF0000u)}};
}

PAPO_DEVICE void store_vector(float* to, const Lanes<float>& v) {
  *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
}
PAPO_DEVICE unsigned pack_bfloat16(float low, float high) {
  return static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(low))) |
         static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}
PAPO_DEVICE void store_vector(__nv_bfloat16* to, const Lanes<__nv_bfloat16>& v) {
  *reinterpret_cast<uint4*>(to) = make_uint4(pack_bfloat16(v[0], v[1]), pack_bfloat16(v[2], v[3]),
                                             pack_bfloat16(v[4], v[5]), pack_bfloat16(v[6], v[7]));
}

// kStep elements as floats: one, or a vector of 16 bytes.
template <int kStep, class T>
PAPO_DEVICE Floats<kStep> load_step(const T* from) {
  if constexpr (kStep == 1) {
    return {{to_float(*from)}};
  } else {
    return load_vector(from);
  }
}
template <int kStep, class T>
PAPO_DEVICE void store_step(T* to, const Floats<kStep>& v) {
  if constexpr (kStep == 1) {
    *to = from_float<T>(v[0]);
  } else {
    store_vector(to, v);
  }
}

__host__ __device__ inline bool is_vector_aligned(const void* pointer) {
  return (reinterpret_cast<uintptr_t>(pointer) & 15) == 0;
}
// Rows of `width` elements at these pointers can all be read in vectors.
template <class T, class... Pointers>
bool rows_are_vectors(int64_t width, const Pointers*... pointers) {
  return width % kVector<T> == 0 && (is_vector_aligned(pointers) && ...);
}

// Elements before the first aligned one, at most `count`.
template <class T>
PAPO_DEVICE int unaligned_head(const T* row, int count) {
  const int head = static_cast<int>((16 - (reinterpret_cast<uintptr_t>(row) & 15)) & 15) / static_cast<int>(sizeof(T));
  return head < count ? head : count;
}

// Calls visit.operator()<kStep>(first) for every element of a row at any alignment, one block to a row: in vectors,
// with the unaligned ends by single elements. `vectors` false: by single elements only.
template <class T, class Visit>
PAPO_DEVICE void for_row(const T* row, int count, bool vectors, const Visit& visit) {
  constexpr int kStep = kVector<T>;
  const int thread = threadIdx.x, threads = blockDim.x;
  if (!vectors) {
    for (int i = thread; i < count; i += threads) visit.template operator()<1>(i);
    return;
  }
  const int head = unaligned_head(row, count), body = (count - head) / kStep * kStep;
  if (thread < head) visit.template operator()<1>(thread);
  for (int i = thread * kStep; i < body; i += threads * kStep) visit.template operator()<kStep>(head + i);
  if (thread < count - head - body) visit.template operator()<1>(head + body + thread);
}

// Threads for a block that goes over one row: whole warps, no more than have an element.
template <class T>
int row_threads(int64_t width, int most) {
  const int64_t needed = ceil_div(ceil_div(width, int64_t{kVector<T>}), int64_t{kWarp}) * kWarp;
  return static_cast<int>(needed < kWarp ? kWarp : needed > most ? most : needed);
}

}  // namespace papo::kernels
