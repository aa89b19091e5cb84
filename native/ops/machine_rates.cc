#include "ops/machine_rates.h"

#include <chrono>

#include "core/device.h"
#include "core/error.h"
#include "core/flops.h"
#include "core/parallel.h"
#include "core/vec.h"
#include "ops/product.h"

namespace papo {
namespace {

constexpr int64_t kProductSize = 1024, kCudaProductSize = 8192;
constexpr int64_t kReadFloats = int64_t{1} << 26, kCudaCopiedFloats = int64_t{1} << 28;
constexpr int64_t kReadTask = int64_t{1} << 18;
constexpr double kMeasureSeconds = 0.1;

// Least seconds of a run; the first one is not measured, two are.
template <class Run>
double best_seconds(const Run& run) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); };
  run();
  wait_for_device();
  const auto begin = Clock::now();
  double best = std::numeric_limits<double>::infinity();
  for (int runs = 0; runs < 2 || since(begin) < kMeasureSeconds; ++runs) {
    const auto start = Clock::now();
    run();
    wait_for_device();
    best = std::min(best, since(start));
  }
  return best;
}

double cuda_memory_rate() {
  const auto from = at::rand({kCudaCopiedFloats}, at::TensorOptions(tensor_device())), to = at::empty_like(from);
  return 2 * 4.0 * kCudaCopiedFloats / best_seconds([&] { to.copy_(from); });
}

}  // namespace

double product_rate() {
  const at::NoGradGuard no_grad;
  const auto counted = flop_counts;
  const bool cuda = current_device == Device::kCuda;
  const int64_t size = cuda ? kCudaProductSize : kProductSize;
  const auto options = at::TensorOptions(tensor_device()).dtype(cuda ? at::kBFloat16 : at::kFloat);
  // A GPU is faster on numbers that are all alike.
  const auto a = at::rand({size, size}, options), b = at::rand({size, size}, options), out = at::empty_like(a);
  const double seconds = best_seconds([&] { product_into(out, a, b.t()); });
  flop_counts = counted;
  return 2.0 * static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(size) / seconds;
}

double memory_rate() {
  if (current_device == Device::kCuda) return cuda_memory_rate();
  constexpr int64_t kWidth = kLanes<float>;
  const auto values = at::ones({kReadFloats});
  const float* data = values.data_ptr<float>();
  std::vector<float> sums(kReadFloats / kReadTask);
  const double seconds = best_seconds([&] {
    parallel_tasks(kReadFloats / kReadTask, [&](int64_t task) {
      Vec<float> sum[4] = {};
      const float* from = data + task * kReadTask;
      for (int64_t i = 0; i < kReadTask; i += 4 * kWidth)
        for (int64_t j = 0; j < 4; ++j) sum[j] += load(from + i + j * kWidth);
      float lanes[kWidth];
      store(lanes, (sum[0] + sum[1]) + (sum[2] + sum[3]));
      sums[task] = lanes[0];
    });
  });
  check(sums.front() == 4.0f * kReadTask / (4 * kWidth), "memory_rate", "the sum of ones is wrong");
  return 4.0 * kReadFloats / seconds;
}

}  // namespace papo
