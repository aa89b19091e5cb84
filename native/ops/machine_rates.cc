#include "ops/machine_rates.h"

#include <chrono>

#include "core/error.h"
#include "core/flops.h"
#include "core/parallel.h"
#include "core/vec.h"
#include "ops/product.h"

namespace papo {
namespace {

constexpr int64_t kProductSize = 1024;
constexpr int64_t kReadFloats = int64_t{1} << 26;
constexpr int64_t kReadTask = int64_t{1} << 18;
constexpr double kMeasureSeconds = 0.1;

// Least seconds of a run; the first one is not measured, two are.
template <class Run>
double best_seconds(const Run& run) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); };
  run();
  const auto begin = Clock::now();
  double best = std::numeric_limits<double>::infinity();
  for (int runs = 0; runs < 2 || since(begin) < kMeasureSeconds; ++runs) {
    const auto start = Clock::now();
    run();
    best = std::min(best, since(start));
  }
  return best;
}

}  // namespace

double product_rate() {
  const at::NoGradGuard no_grad;
  const auto counted = flop_counts;
  const auto a = at::ones({kProductSize, kProductSize}), b = at::ones({kProductSize, kProductSize}),
             out = at::empty({kProductSize, kProductSize});
  const double seconds = best_seconds([&] { product_into(out, a, b.t()); });
  flop_counts = counted;
  return 2.0 * kProductSize * kProductSize * kProductSize / seconds;
}

double memory_rate() {
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
