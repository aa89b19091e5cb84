#include "kernels/kl_divergence.cuh"

#include "test/kernels/logits.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

constexpr int kNoRow = 1 << 30;

template <class T>
void check(int64_t rows, int vocab, double temperature, int shift = 0) {
  const auto inverse = static_cast<float>(1 / temperature);
  const auto p = as<T>(logits_with_gaps(rows, vocab, 1, 2, vocab / 2));
  // q begins `shift` elements into its memory, so that its rows may be aligned otherwise than p's.
  auto q_memory = as<T>(normal(rows * vocab + shift, 2, 2));
  Buffer<float> kl(rows), lse_p(rows), lse_q(rows);
  Buffer<int> bad_row{kNoRow};
  const KlDivergence out{kl.data(), lse_p.data(), lse_q.data(), bad_row.data()};
  const T* q = q_memory.data() + shift;
  expect_launched(kl_divergence<T>(p.data(), q, inverse, out, 0, rows, vocab, nullptr));
  expect(bad_row[0] == kNoRow, "no bad row");
  const auto g = normal(rows, 3);
  std::vector<double> kl_expected(rows), p_expected(rows), q_expected(rows), grad_p(rows * vocab), grad_q(rows * vocab);
  for (int64_t row = 0; row < rows; ++row) {
    const auto a = softmax(&p[row * vocab], vocab, temperature), b = softmax(q + row * vocab, vocab, temperature);
    p_expected[row] = a.lse;
    q_expected[row] = b.lse;
    for (int v = 0; v < vocab; ++v)
      if (a.p[v] > 0) kl_expected[row] += a.p[v] * (a.log_p[v] - b.log_p[v]);
    for (int v = 0; v < vocab; ++v) {
      const double of_p = a.p[v] > 0 ? a.p[v] * (a.log_p[v] - b.log_p[v] - kl_expected[row]) : 0;
      grad_p[row * vocab + v] = g[row] * of_p / temperature;
      grad_q[row * vocab + v] = g[row] * (b.p[v] - a.p[v]) / temperature;
    }
  }
  expect_close(kl, kl_expected, 1e-5, "kl");
  expect_close(lse_p, p_expected, 2e-6, "lse p");
  expect_close(lse_q, q_expected, 2e-6, "lse q");
  auto d_p = p;
  const auto q_before = q_memory;
  const auto backward = [&](bool q_grad) {
    d_p = p;
    q_memory = q_before;
    expect_launched(kl_divergence_backward_<T>(d_p.data(), q_memory.data() + shift, q_grad, inverse, out, g.data(),
                                               rows, vocab, nullptr));
    expect_close(d_p, grad_p, kTolerance<T>, "d p");
  };
  backward(false);
  expect_close(q_memory, widened(q_before), 0, "constant q");
  backward(true);
  expect_close(Buffer<T>(q_memory.begin() + shift, q_memory.end()), grad_q, kTolerance<T>, "d q");
}

}  // namespace

PAPO_CASE("kl_divergence: values and both gradients equal float64 at odd sizes") {
  for (const int64_t rows : {1, 17, 37}) {
    for (const int vocab : {1, 7, 1000, 4097}) {
      if (rows == 37 && vocab == 4097 && seed() > 1) continue;
      check<float>(rows, vocab, 1);
      check<__nv_bfloat16>(rows, vocab, 0.7);
    }
  }
}
PAPO_CASE("kl_divergence: chunks that are not aligned alike") {
  check<float>(5, 1001, 1, 1);
  check<__nv_bfloat16>(5, 1001, 1, 3);
}
PAPO_CASE("kl_divergence: of equal logits is 0, also of large ones") {
  auto logits = normal(3 * 1000, 1, 50);
  for (auto& x : logits) x += 5000;
  Buffer<float> kl(3), lse_p(3), lse_q(3);
  Buffer<int> bad_row{kNoRow};
  expect_launched(kl_divergence<float>(logits.data(), logits.data(), 1,
                                       {kl.data(), lse_p.data(), lse_q.data(), bad_row.data()}, 0, 3, 1000, nullptr));
  expect_close(kl, {0, 0, 0}, 1e-6, "kl");
}
PAPO_CASE("kl_divergence: a q of 0 gives inf, a nan in either is reported") {
  const auto p = normal(3 * 7, 1);
  auto q = normal(3 * 7, 2);
  q[2] = -kInf;
  q[7 * 2 + 1] = NAN;
  Buffer<float> kl(3), lse_p(3), lse_q(3);
  Buffer<int> bad_row{kNoRow};
  expect_launched(kl_divergence<float>(p.data(), q.data(), 1, {kl.data(), lse_p.data(), lse_q.data(), bad_row.data()},
                                       10, 3, 7, nullptr));
  expect(kl[0] == kInf && std::isfinite(kl[1]) && bad_row[0] == 12, "inf, finite, row 12");
}
