// A small test runner: PAPO_CASE("a sentence") { ... } registers a case, which fails by throwing.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/platform.cuh"

namespace papo::test {

struct Case {
  const char* name;
  void (*run)();
};
std::vector<Case>& cases();
struct Registration {
  Registration(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

#define PAPO_CASE_JOIN2(a, b) a##b
#define PAPO_CASE_JOIN(a, b) PAPO_CASE_JOIN2(a, b)
#define PAPO_CASE_OF(name, function, registered)                      \
  static void function();                                             \
  static const ::papo::test::Registration registered(name, function); \
  static void function()
#define PAPO_CASE(name) \
  PAPO_CASE_OF(name, PAPO_CASE_JOIN(papo_case_, __LINE__), PAPO_CASE_JOIN(papo_registered_, __LINE__))

// Whether kernels run on a GPU (test/gpu) and not by emulation: multiplications and additions are fused there, and exp
// may differ in its last bit from the host's.
#ifdef PAPO_CUDA
inline constexpr bool kOnDevice = true;
#else
inline constexpr bool kOnDevice = false;
#endif

// The seed of this run of a case; the order of blocks, warps and lanes comes from it too.
uint64_t seed();

void expect(bool condition, const std::string& text);
// The launch succeeded, and on a device the kernel has ended.
void expect_launched(cudaError_t error);
// run() throws an error whose text has `part` in it.
void expect_throws(void (*run)(), const std::string& part);

// Values of T in exactly sized heap memory, so that AddressSanitizer sees every access beyond them. All that kernels
// are given is in such: on a device heap memory is its own too, stacks are not.
template <class T>
using Buffer = std::vector<T>;

// N(0, 1) times scale, the same for the same (seed(), stream).
std::vector<float> normal(size_t count, uint64_t stream, float scale = 1);

template <class T>
T rounded(float x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>)
    return __float2bfloat16_rn(x);
  else
    return x;
}
inline double wide(float x) { return x; }
inline double wide(double x) { return x; }
inline double wide(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T>
Buffer<T> as(const std::vector<float>& values) {
  Buffer<T> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) out[i] = rounded<T>(values[i]);
  return out;
}
template <class T>
std::vector<double> widened(const Buffer<T>& values) {
  std::vector<double> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) out[i] = wide(values[i]);
  return out;
}

void expect_close(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance,
                  const std::string& what);
// |actual - expected| <= tolerance * max(1, largest |expected|), element by element; infinities must be equal.
template <class T>
void expect_close(const Buffer<T>& actual, const std::vector<double>& expected, double tolerance,
                  const std::string& what) {
  expect_close(widened(actual), expected, tolerance, what);
}
// One rounding of a result and a little.
template <class T>
constexpr double kTolerance = std::is_same_v<T, __nv_bfloat16> ? 0.006 : 1e-5;

// Of the same operations in the same order on the host.
template <class T>
constexpr double kSameOperations = kOnDevice ? kTolerance<T> : 0;

template <class T>
constexpr const char* kTypeName = std::is_same_v<T, __nv_bfloat16> ? "bfloat16" : "float32";

}  // namespace papo::test
