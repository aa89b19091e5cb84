// Vectors of 64 bytes by the compiler's own vector types (GCC and Clang lower them to whatever the processor has),
// for the attention and elementwise loops. T is float or double.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace papo {

template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float type __attribute__((vector_size(64)));
  typedef int32_t bits __attribute__((vector_size(64)));
};
template <>
struct VecOf<double> {
  typedef double type __attribute__((vector_size(64)));
  typedef int64_t bits __attribute__((vector_size(64)));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
inline constexpr int64_t kLanes = 64 / sizeof(T);

template <class T>
inline Vec<T> load(const T* from) {
  Vec<T> v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
template <class T>
inline void store(T* to, Vec<T> v) {
  std::memcpy(to, &v, sizeof(v));
}
template <class T>
inline Vec<T> broadcast(T value) {
  return value - Vec<T>{};  // x - 0 is x, signs of zero included: a load, where 0 + x would be an addition too
}

// e^x to 1 ulp or so for x in [-87, 88]; smaller x gives 0 (never a denormal), larger ones saturate.
// Range reduction by log 2 and a degree-6 polynomial (Cephes' expf coefficients).
inline Vec<float> vexp(Vec<float> x) {
  using V = Vec<float>;
  using B = VecOf<float>::bits;
  const B too_small = x < -87.0f;
  const V high = broadcast(88.0f);
  const B too_large = x > high;
  x = too_large ? high : x;
  x = too_small ? V{} : x;
  const V shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to the nearest integer
  const V n = shifted - 12582912.0f;
  V r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  V p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const B exponent = __builtin_convertvector(n, B) << 23;
  B bits;
  std::memcpy(&bits, &p, sizeof(bits));
  bits += exponent;
  std::memcpy(&p, &bits, sizeof(p));
  return too_small ? V{} : p;
}
inline Vec<double> vexp(Vec<double> x) {
  for (int lane = 0; lane < kLanes<double>; ++lane) x[lane] = std::exp(x[lane]);
  return x;
}

template <class T>
inline T horizontal_sum(Vec<T> v) {
  T sum = 0;
  for (int lane = 0; lane < kLanes<T>; ++lane) sum += v[lane];
  return sum;
}

inline int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace papo
