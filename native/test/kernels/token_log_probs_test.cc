#include "kernels/token_log_probs.cuh"

#include "test/kernels/logits.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

constexpr int kNoRow = 1 << 30;

struct Scores {
  Buffer<float> log_prob, lse, entropy;
  Buffer<int> bad_row{kNoRow};
  explicit Scores(int64_t rows) : log_prob(rows), lse(rows), entropy(rows) {}
  TokenScores view(bool with_entropy = true) {
    return {log_prob.data(), lse.data(), with_entropy ? entropy.data() : nullptr, bad_row.data()};
  }
};

// Targets at both ends and around the vectors and tiles that a block of 512 threads takes.
std::vector<int64_t> edge_targets(int64_t rows, int vocab) {
  const int64_t edges[] = {0, vocab - 1, 7, 8, 9, 4095, 4096, 1, 2047, 2048, 2049, vocab / 2};
  std::vector<int64_t> out(rows);
  for (int64_t row = 0; row < rows; ++row) out[row] = std::min<int64_t>(edges[row % 12], vocab - 1);
  return out;
}

template <class T>
void check(int64_t rows, int vocab, double temperature, float scale) {
  const auto targets = edge_targets(rows, vocab);
  const auto logits = as<T>(logits_with_gaps(rows, vocab, 1, scale, static_cast<int>(targets[rows > 1 ? 1 : 0])));
  const auto inverse = static_cast<float>(1 / temperature);
  Scores scores(rows);
  expect_launched(token_log_probs<T>(logits.data(), targets.data(), inverse, scores.view(), 0, rows, vocab, nullptr));
  expect(scores.bad_row[0] == kNoRow, "no bad row");
  const auto g_log_prob = normal(rows, 2), g_entropy = normal(rows, 3);
  std::vector<double> log_prob(rows), lse(rows), entropy(rows), grad(rows * vocab), without_entropy(rows * vocab);
  for (int64_t row = 0; row < rows; ++row) {
    const auto s = softmax(&logits[row * vocab], vocab, temperature);
    log_prob[row] = s.log_p[targets[row]];
    lse[row] = s.lse;
    entropy[row] = s.entropy;
    for (int v = 0; v < vocab; ++v) {
      const double hit = v == targets[row], of_log_prob = g_log_prob[row] * (hit - s.p[v]) / temperature;
      const double of_entropy = s.p[v] > 0 ? -s.p[v] * (s.log_p[v] + s.entropy) * g_entropy[row] / temperature : 0;
      grad[row * vocab + v] = of_log_prob + of_entropy;
      without_entropy[row * vocab + v] = of_log_prob;
    }
  }
  expect_close(scores.log_prob, log_prob, 2e-6, "log_prob");
  expect_close(scores.lse, lse, 2e-6, "lse");
  expect_close(scores.entropy, entropy, 1e-5, "entropy");
  auto d_logits = logits;
  expect_launched(token_log_probs_backward_<T>(d_logits.data(), targets.data(), inverse, scores.lse.data(),
                                               scores.entropy.data(), {g_log_prob.data(), g_entropy.data()}, rows,
                                               vocab, nullptr));
  // lse is rounded to float32, and a probability as much off as its logit's size times 2^-24.
  const double tolerance = kTolerance<T> + 1e-6 * scale;
  expect_close(d_logits, grad, tolerance, "d logits");
  d_logits = logits;
  expect_launched(token_log_probs_backward_<T>(d_logits.data(), targets.data(), inverse, scores.lse.data(), nullptr,
                                               {g_log_prob.data(), nullptr}, rows, vocab, nullptr));
  expect_close(d_logits, without_entropy, tolerance, "d logits without entropy");
}

template <class T>
void check_bad(float value, int vocab) {
  auto values = normal(5 * vocab, 1);
  values[2 * vocab + vocab / 2] = value;
  if (value == -kInf) std::fill_n(values.begin() + 2 * vocab, vocab, -kInf);
  values[4 * vocab] = value == -kInf ? 0 : value;
  const auto logits = as<T>(values);
  const std::vector<int64_t> targets(5);
  Scores scores(5);
  expect_launched(token_log_probs<T>(logits.data(), targets.data(), 1, scores.view(), 100, 5, vocab, nullptr));
  expect(scores.bad_row[0] == 102, "row 100 + 2 reported, got " + std::to_string(scores.bad_row[0]));
  for (const int row : {0, 1, 3}) expect(std::isfinite(scores.lse[row]), "the other rows whole");
}

}  // namespace

PAPO_CASE("token_log_probs: scores and gradients equal float64 at odd sizes") {
  for (const int64_t rows : {1, 17, 37}) {
    for (const int vocab : {1, 7, 1000, 4097}) {
      if (rows == 37 && vocab == 4097 && seed() > 1) continue;
      check<float>(rows, vocab, 1, 2);
      check<__nv_bfloat16>(rows, vocab, 1, 2);
    }
  }
}
PAPO_CASE("token_log_probs: temperature divides logits and gradients") {
  check<float>(5, 1000, 0.6, 2);
  check<__nv_bfloat16>(5, 1001, 1.7, 2);
}
PAPO_CASE("token_log_probs: large logits keep the entropy exact") {
  check<float>(7, 4097, 1, 100);
  auto values = normal(2 * 999, 1);
  for (auto& x : values) x += 10000;  // an lse near 10,000, whose float32 steps are 0.001
  const std::vector<int64_t> targets{3, 998};
  Scores scores(2);
  expect_launched(token_log_probs<float>(values.data(), targets.data(), 1, scores.view(), 0, 2, 999, nullptr));
  for (int row = 0; row < 2; ++row) {
    const auto s = softmax(&values[row * 999], 999, 1);
    expect_close({scores.entropy[row], scores.log_prob[row]}, {s.entropy, s.log_p[targets[row]]}, 2e-6, "shifted");
  }
}
PAPO_CASE("token_log_probs: a vocabulary as large as Qwen's") {
  if (seed() > 1) return;
  check<__nv_bfloat16>(1, 152064, 1, 3);
  check<float>(2, 151937, 1, 3);
}
PAPO_CASE("token_log_probs: rows that are nan, +inf or all -inf are reported, the first of them") {
  for (const int vocab : {1, 7, 1000}) {
    check_bad<float>(NAN, vocab);
    check_bad<float>(kInf, vocab);
    check_bad<float>(-kInf, vocab);
    check_bad<__nv_bfloat16>(NAN, vocab);
    check_bad<__nv_bfloat16>(kInf, vocab);
    check_bad<__nv_bfloat16>(-kInf, vocab);
  }
}
PAPO_CASE("token_log_probs: a target of probability 0 has log-prob -inf and entropy is optional") {
  const Buffer<float> logits{1, -kInf, 2};
  const Buffer<int64_t> target{1};
  Scores scores(1);
  scores.entropy[0] = 7;
  expect_launched(token_log_probs<float>(logits.data(), target.data(), 1, scores.view(false), 0, 1, 3, nullptr));
  expect(scores.log_prob[0] == -kInf && scores.bad_row[0] == kNoRow && scores.entropy[0] == 7, "-inf, not reported");
}
PAPO_CASE("token_log_probs: the order of blocks and warps does not change a bit") {
  const auto logits = std::vector<float>(normal(17 * 4097, 1));
  const auto targets = edge_targets(17, 4097);
  Scores first(17), second(17);
  for (auto* scores : {&first, &second})
    expect_launched(token_log_probs<float>(logits.data(), targets.data(), 1, scores->view(), 0, 17, 4097, nullptr));
  expect(first.lse == second.lse && first.entropy == second.entropy && first.log_prob == second.log_prob, "equal bits");
}
