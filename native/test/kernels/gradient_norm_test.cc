#include "kernels/gradient_norm.cuh"

#include <limits>

#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

double norm_of(const float* grad, int64_t count) {
  Buffer<double> partials(kNormPartials), norm(1);
  expect_launched(gradient_norm(grad, count, partials.data(), norm.data(), nullptr));
  return norm[0];
}

double expected_norm(const float* grad, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(grad[i]) * grad[i];
  return std::sqrt(sum);
}

}  // namespace

PAPO_CASE("gradient_norm is the root of the sum of squares, at any size and alignment") {
  for (const int64_t count : {0, 1, 17, 37, 4096, 4099, 50003}) {
    const auto grad = normal(count + 1, count);
    for (const int offset : {0, 1}) {
      const double expected = expected_norm(grad.data() + offset, count);
      expect_close(Buffer<double>{norm_of(grad.data() + offset, count)}, {expected}, 1e-13,
                   "norm of " + std::to_string(count) + " at " + std::to_string(offset));
    }
  }
}

PAPO_CASE("gradient_norm repeats bit for bit whatever the order of blocks") {
  const auto grad = normal(30011, 1);
  const double first = norm_of(grad.data(), 30011);
  for (int i = 0; i < 3; ++i) expect(norm_of(grad.data(), 30011) == first, "the same bits");
}

PAPO_CASE("gradient_norm of large numbers does not overflow, and of inf or nan is not finite") {
  Buffer<float> grad(37, 1e30f);
  // sqrt(37) * 1e30, though 1e60 is beyond float32.
  expect_close(Buffer<double>{norm_of(grad.data(), 37) / 1e30}, {std::sqrt(37.0)}, 1e-6, "norm / 1e30");
  grad[20] = std::numeric_limits<float>::infinity();
  expect(std::isinf(norm_of(grad.data(), 37)), "inf");
  grad[3] = std::numeric_limits<float>::quiet_NaN();
  expect(std::isnan(norm_of(grad.data(), 37)), "nan");
}
