#include "kernels/rms_norm.cuh"
#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

constexpr float kEps = 1e-6f;
struct Size {
  int64_t rows;
  int width;
};
// Vectors and single elements, less and more than a block's width, one and several slices of rows.
constexpr Size kSizes[] = {{1, 1}, {1, 7}, {17, 37}, {37, 128}, {3, 2056}, {17, 1284}, {129, 24}, {65, 300}};

template <class T>
void check_forward(Size size) {
  const auto [rows, width] = size;
  const auto x = as<T>(normal(rows * width, 1, 3)), weight = as<T>(normal(width, 2));
  Buffer<T> y(rows * width);
  Buffer<float> rstd(rows);
  expect_launched(rms_norm<T>(x.data(), weight.data(), kEps, y.data(), rstd.data(), rows, width, nullptr));
  std::vector<double> y_expected(rows * width), rstd_expected(rows);
  for (int64_t n = 0; n < rows; ++n) {
    double squares = 0;
    for (int d = 0; d < width; ++d) squares += wide(x[n * width + d]) * wide(x[n * width + d]);
    rstd_expected[n] = 1 / std::sqrt(squares / width + kEps);
    for (int d = 0; d < width; ++d)
      y_expected[n * width + d] = wide(weight[d]) * wide(x[n * width + d]) * rstd_expected[n];
  }
  expect_close(rstd, rstd_expected, 1e-6, "rstd");
  expect_close(y, y_expected, kTolerance<T>, "y");
}

template <class T>
void check_backward(Size size) {
  const auto [rows, width] = size;
  const auto x = as<T>(normal(rows * width, 1, 3)), weight = as<T>(normal(width, 2)),
             grad = as<T>(normal(rows * width, 3));
  Buffer<float> rstd(rows), workspace(rms_norm_workspace(rows, width)), grad_weight(width, 1.0f);
  std::vector<double> grad_x_expected(rows * width), grad_weight_expected(width, 1.0);
  for (int64_t n = 0; n < rows; ++n) {
    double squares = 0, dot = 0;
    for (int d = 0; d < width; ++d) squares += wide(x[n * width + d]) * wide(x[n * width + d]);
    const double r = 1 / std::sqrt(squares / width + kEps);
    rstd[n] = static_cast<float>(r);
    for (int d = 0; d < width; ++d) dot += wide(grad[n * width + d]) * wide(weight[d]) * wide(x[n * width + d]);
    for (int d = 0; d < width; ++d) {
      const double g = wide(grad[n * width + d]), v = wide(x[n * width + d]);
      grad_x_expected[n * width + d] = r * (g * wide(weight[d]) - v * dot * r * r / width);
      grad_weight_expected[d] += g * wide(rounded<T>(static_cast<float>(v * r)));
    }
  }
  Buffer<T> grad_x(rows * width);
  expect_launched(
      rms_norm_grad_x<T>(grad.data(), x.data(), weight.data(), rstd.data(), grad_x.data(), rows, width, nullptr));
  expect_close(grad_x, grad_x_expected, kTolerance<T>, "grad x");
  expect_launched(rms_norm_grad_weight<T>(grad.data(), x.data(), rstd.data(), workspace.data(), grad_weight.data(),
                                          rows, width, nullptr));
  expect_close(grad_weight, grad_weight_expected, 2e-3, "grad weight");  // x_hat may round to the other side
  if (std::is_same_v<T, float>) expect_close(grad_weight, grad_weight_expected, 1e-5, "grad weight");
}

}  // namespace

PAPO_CASE("rms_norm: forward equals float64") {
  for (const auto size : kSizes) {
    check_forward<float>(size);
    check_forward<__nv_bfloat16>(size);
  }
}
PAPO_CASE("rms_norm: gradients equal float64, the weight's is added") {
  for (const auto size : kSizes) {
    check_backward<float>(size);
    check_backward<__nv_bfloat16>(size);
  }
}
PAPO_CASE("rms_norm: no rows are no launch") {
  expect_launched(rms_norm<float>(nullptr, nullptr, kEps, nullptr, nullptr, 0, 8, nullptr));
  expect_launched(rms_norm_grad_x<float>(nullptr, nullptr, nullptr, nullptr, nullptr, 0, 8, nullptr));
  expect_launched(rms_norm_grad_weight<float>(nullptr, nullptr, nullptr, nullptr, nullptr, 0, 8, nullptr));
}
PAPO_CASE("rms_norm: rows that are aligned by their width alone, from an unaligned start") {
  const auto values = normal(2 * 16 + 1, 1), weight = normal(16, 2);
  Buffer<float> y(2 * 16), rstd(2), aligned_y(2 * 16);
  const Buffer<float> aligned(values.begin() + 1, values.end());
  expect_launched(rms_norm<float>(values.data() + 1, weight.data(), kEps, y.data(), rstd.data(), 2, 16, nullptr));
  expect_launched(rms_norm<float>(aligned.data(), weight.data(), kEps, aligned_y.data(), rstd.data(), 2, 16, nullptr));
  expect_close(y, widened(aligned_y), 1e-6, "y");
}
