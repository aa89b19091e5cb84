// usage: papo_kernel_tests [--list] [--seeds N] [--exact NAME] [part of a name]...
// Runs each case under several seeds and prints a line for it; exit code 1 when one failed. Built for GPUs, as
// papo_gpu_tests, it runs them on the first one, and ends with 77 where there is none.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "test/kernels/case.h"
#ifdef PAPO_CUDA
#include "test/gpu/managed_memory.h"
#else
#include "test/simt/engine.h"
#endif

namespace papo::test {
namespace {
uint64_t current_seed = 1;

#ifdef PAPO_CUDA
constexpr int kSkipped = 77;

void set_order(uint64_t) {}  // a GPU's blocks go in its own
// Why no case can run; null where they can.
const char* prepare_device() {
  int driver = 0, devices = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) return "no NVIDIA driver is installed";
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return devices == 0 ? "the driver sees no GPU" : begin_managed_memory();
}
#else
void set_order(uint64_t seed) { simt::set_seed(seed); }
#endif

bool run_case(const Case& test, uint64_t seeds) {
  const auto begin = std::chrono::steady_clock::now();
  for (current_seed = 1; current_seed <= seeds; ++current_seed) {
    set_order(current_seed);
    try {
      test.run();
    } catch (const std::exception& error) {
      std::printf("FAIL %s (seed %d): %s\n", test.name, static_cast<int>(current_seed), error.what());
      return false;
    }
  }
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - begin;
  std::printf("ok   %s (%.0f ms)\n", test.name, spent.count());
  return true;
}
}  // namespace

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
uint64_t seed() { return current_seed; }

void expect(bool condition, const std::string& text) {
  if (!condition) throw std::runtime_error("expected " + text);
}
void expect_launched(cudaError_t error) {
#ifdef PAPO_CUDA
  // Before anything else: on some systems the host may not touch managed memory while a kernel runs.
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
#endif
  expect(error == cudaSuccess, std::string("a launch, got: ") + cudaGetErrorString(error));
}
void expect_throws(void (*run)(), const std::string& part) {
  try {
    run();
  } catch (const std::exception& error) {
    return expect(std::strstr(error.what(), part.c_str()) != nullptr,
                  "an error with '" + part + "', got: " + error.what());
  }
  expect(false, "an error with '" + part + "', got none");
}

std::vector<float> normal(size_t count, uint64_t stream, float scale) {
  std::mt19937_64 random(seed() * 1000 + stream);
  std::normal_distribution<float> draw;
  std::vector<float> out(count);
  for (auto& x : out) x = draw(random) * scale;
  return out;
}

void expect_close(const std::vector<double>& actual, const std::vector<double>& expected, double tolerance,
                  const std::string& what) {
  expect(actual.size() == expected.size(),
         what + ": " + std::to_string(expected.size()) + " values, got " + std::to_string(actual.size()));
  double largest = 1;
  for (const double x : expected)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < expected.size(); ++i) {
    if (actual[i] == expected[i]) continue;
    if (!(std::abs(actual[i] - expected[i]) <= tolerance * largest)) {
      char text[160];
      std::snprintf(text, sizeof text, "[%zu]: expected %.9g within %.3g, got %.9g", i, expected[i],
                    tolerance * largest, actual[i]);
      throw std::runtime_error(what + text);
    }
  }
}

}  // namespace papo::test

int main(int count, char** arguments) {
  using namespace papo::test;
  uint64_t seeds = 3;
  bool list = false;
  std::string exact;
  std::vector<std::string> parts;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--list")
      list = true;
    else if (argument == "--exact" && i + 1 < count)
      exact = arguments[++i];
    else if (argument == "--seeds" && i + 1 < count)
      seeds = std::strtoull(arguments[++i], nullptr, 10);
    else
      parts.push_back(argument);
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
#ifdef PAPO_CUDA
  if (const char* problem = list ? nullptr : prepare_device()) {
    std::printf("skipped: %s\n", problem);
    return kSkipped;
  }
#endif
  auto all = cases();
  std::sort(all.begin(), all.end(), [](const Case& a, const Case& b) { return std::strcmp(a.name, b.name) < 0; });
  int failed = 0, ran = 0;
  for (const auto& test : all) {
    const auto named = [&](const std::string& part) { return std::strstr(test.name, part.c_str()) != nullptr; };
    if (!parts.empty() && std::none_of(parts.begin(), parts.end(), named)) continue;
    if (!exact.empty() && exact != test.name) continue;
    ++ran;
    if (list)
      std::printf("%s\n", test.name);
    else if (!run_case(test, seeds))
      ++failed;
  }
  if (!list) std::printf("%d of %d cases failed\n", failed, ran);
  return failed == 0 && ran > 0 ? 0 : 1;
}
