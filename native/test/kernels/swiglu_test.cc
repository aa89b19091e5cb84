#include "kernels/swiglu.cuh"
#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

struct Size {
  int64_t rows;
  int width;
  float scale;  // 40: sigmoids at both ends
};
constexpr Size kSizes[] = {{1, 1, 1}, {17, 37, 3}, {37, 64, 40}, {2, 2056, 3}, {3, 1100, 3}, {0, 8, 1}};

template <class T>
void check(const Size& size) {
  const int64_t rows = size.rows, width = size.width;
  auto gate_up = as<T>(normal(rows * 2 * width, 1, size.scale));
  const auto grad = as<T>(normal(rows * width, 2));
  Buffer<T> y(rows * width), grad_gate_up(rows * 2 * width);
  std::vector<double> y_expected(rows * width), grad_expected(rows * 2 * width);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t i = 0; i < width; ++i) {
      const int64_t gate = n * 2 * width + i, up = gate + width;
      const double g = wide(gate_up[gate]), u = wide(gate_up[up]), d = wide(grad[n * width + i]);
      const double s = 1 / (1 + std::exp(-g));
      y_expected[n * width + i] = g * s * u;
      grad_expected[gate] = d * u * s * (1 + g * (1 - s));
      grad_expected[up] = d * g * s;
    }
  }
  expect_launched(swiglu<T>(gate_up.data(), y.data(), rows, width, nullptr));
  expect_close(y, y_expected, kTolerance<T>, "y");
  expect_launched(swiglu_backward<T>(grad.data(), gate_up.data(), grad_gate_up.data(), rows, width, nullptr));
  expect_close(grad_gate_up, grad_expected, kTolerance<T>, "grad");
  expect_launched(swiglu_backward<T>(grad.data(), gate_up.data(), gate_up.data(), rows, width, nullptr));
  expect_close(gate_up, widened(grad_gate_up), 0, "grad in place");
}

}  // namespace

PAPO_CASE("swiglu: forward, backward and backward in place equal float64") {
  for (const auto& size : kSizes) {
    check<float>(size);
    check<__nv_bfloat16>(size);
  }
}
