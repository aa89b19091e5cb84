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

// 16 bytes of T as floats. Index it with constants of unrolled loops only, so that it stays in registers.
template <class T>
struct Lanes {
  float lane[kVector<T>];
  PAPO_DEVICE float& operator[](int i) { return lane[i]; }
  PAPO_DEVICE float operator[](int i) const { return lane[i]; }
};

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

__host__ __device__ inline bool is_vector_aligned(const void* pointer) {
  return (reinterpret_cast<uintptr_t>(pointer) & 15) == 0;
}

// Elements before the first aligned one, at most `count`.
template <class T>
PAPO_DEVICE int unaligned_head(const T* row, int count) {
  const int head = static_cast<int>((16 - (reinterpret_cast<uintptr_t>(row) & 15)) & 15) / static_cast<int>(sizeof(T));
  return head < count ? head : count;
}

}  // namespace papo::kernels
