// The oracle writes the loss of rl/objective.cc in float64; its gradient comes from finite differences.
#include "kernels/objective.cuh"

#include <functional>
#include <limits>

#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

struct Batch {
  Buffer<float> log_probs, old, ref, aug, advantages;  // of the tokens; advantages may be empty
  Buffer<int32_t> response;
  Buffer<float> advantage, loss, token, pg, prcp, sft;  // of the responses; the last three may be empty
  int64_t count() const { return static_cast<int64_t>(log_probs.size()); }
};

// Responses of 1, 2, 3, ... tokens, some of weight 0.
Batch batch_of(int count, bool optional_weights) {
  Batch b;
  int responses = 0;
  for (int left = count, length = 1; left > 0; left -= length, ++length, ++responses)
    for (int i = 0; i < std::min(left, length); ++i) b.response.push_back(responses);
  const auto log_probs = [&](uint64_t stream) {
    auto values = normal(count, stream, 0.4f);
    for (auto& x : values) x -= 2;
    return values;
  };
  b.log_probs = log_probs(1);
  b.old = log_probs(2);
  b.ref = log_probs(3);
  b.aug = log_probs(4);
  if (count > 5) {
    b.old[1] = -6;  // ratios beyond every clip
    b.old[2] = 3;
    b.ref[3] = 2;  // k3 beyond 10
    b.ref[4] = -30;
    b.aug[5] = -40;
  }
  b.advantage = normal(responses, 5);
  const auto weights = [&](uint64_t stream) {
    auto values = normal(responses, stream);
    for (auto& x : values) x = std::abs(x) / static_cast<float>(count);
    if (responses > 2) values[stream % 3] = 0;
    return values;
  };
  b.loss = weights(6);
  b.token = weights(7);
  if (optional_weights) {
    b.pg = weights(8);
    b.prcp = weights(9);
    b.sft = weights(10);
    for (auto& x : b.prcp) x *= static_cast<float>(count);
    b.advantages = normal(count, 11);
  }
  return b;
}

struct Result {
  Buffer<float> grad, aug_grad, perception_kl;
  Buffer<double> sums;
};

Result run(const ObjectiveSettings& settings, const Batch& b, bool with_aug = true) {
  const auto pointer = [](const auto& buffer) { return buffer.empty() ? nullptr : buffer.data(); };
  const ObjectiveTokens tokens{
      pointer(b.log_probs),  pointer(b.old),      pointer(b.ref), with_aug ? pointer(b.aug) : nullptr,
      pointer(b.advantages), pointer(b.response), b.count()};
  const ObjectiveWeights weights{pointer(b.advantage), pointer(b.loss), pointer(b.token),
                                 pointer(b.pg),        pointer(b.prcp), pointer(b.sft)};
  Result result{Buffer<float>(b.count(), NAN), Buffer<float>(b.count(), NAN), Buffer<float>(b.count(), NAN),
                Buffer<double>(kNumObjectiveSums, NAN)};
  Buffer<double> work(objective_work_doubles(b.count()), NAN);
  expect_launched(objective(
      settings, tokens, weights,
      {result.grad.data(), result.aug_grad.data(), result.perception_kl.data(), result.sums.data(), work.data()},
      nullptr));
  return result;
}

double clamp(double x, double low, double high) { return std::min(std::max(x, low), high); }

double kl(double x, double y, KlKind kind) {
  if (kind == KlKind::kK1) return x - y;
  if (kind == KlKind::kAbs) return std::abs(x - y);
  if (kind == KlKind::kMse) return (x - y) * (x - y) / 2;
  const double s = clamp(y - x, -20, 20);
  return clamp(std::exp(s) - s - 1, -10, 10);
}

// The sums of one token as functions of its two log-probs.
std::vector<double> token_sums(const ObjectiveSettings& s, const Batch& b, size_t i, double x, double aug) {
  const int response = b.response[i];
  const double loss_weight = b.loss[response], token_weight = b.token[response];
  const double advantage = b.advantages.empty() ? b.advantage[response] : b.advantages[i];
  std::vector<double> sums(kNumObjectiveSums);
  const double log_ratio = clamp(x - b.old[i], -20, 20);
  const double clipped_ratio = std::exp(clamp(log_ratio, std::log(1 - s.clip_low), std::log(1 + s.clip_high)));
  const double plain = -advantage * std::exp(log_ratio), clipped = -advantage * clipped_ratio;
  double loss = std::max(plain, clipped);
  sums[kClippedHigher] = (plain < clipped) * token_weight;
  if (s.clip_dual != 0 && advantage < 0) {
    sums[kClippedLower] = (loss > -advantage * s.clip_dual) * token_weight;
    loss = std::min(loss, -advantage * s.clip_dual);
  }
  sums[kPgLoss] = loss * (b.pg.empty() ? loss_weight : b.pg[response]);
  sums[kPpoKl] = -log_ratio * token_weight;
  sums[kEntropyLoss] = -x * loss_weight;
  sums[kOriEntropyLoss] = -x * token_weight;
  sums[kAugEntropyLoss] = -aug * token_weight;
  if (s.kl_ref != KlKind::kAbsent) sums[kKlLoss] = kl(x, b.ref[i], s.kl_ref) * loss_weight;
  if (s.kl_prcp != KlKind::kAbsent) {
    double term = kl(x, aug, s.kl_prcp) * (b.prcp.empty() ? 1 : b.prcp[response]);
    if (s.kl_prcp_clip >= 0) term = clamp(term, 0, s.kl_prcp_clip);
    sums[kKlPrcpLoss] = -term * loss_weight;
  }
  if (!b.sft.empty()) sums[kSftLoss] = -x * b.sft[response];
  sums[kTotalLoss] = sums[kPgLoss] + s.kl_ref_coef * sums[kKlLoss] + s.kl_prcp_coef * sums[kKlPrcpLoss] +
                     s.aug_entropy_coef * sums[kAugEntropyLoss] + s.ori_entropy_coef * sums[kOriEntropyLoss] +
                     s.sft_coef * sums[kSftLoss];
  return sums;
}

void expect_oracle(const ObjectiveSettings& settings, const Batch& b, const std::string& what) {
  const Result actual = run(settings, b);
  std::vector<double> sums(kNumObjectiveSums), grad, aug_grad, perception_kl;
  for (size_t i = 0; i < b.log_probs.size(); ++i) {
    const double x = b.log_probs[i], aug = b.aug[i], step = 1e-6;
    const auto own = token_sums(settings, b, i, x, aug);
    for (int k = 0; k < kNumObjectiveSums; ++k) sums[k] += own[k];
    const auto loss = [&](double dx, double daug) {
      return token_sums(settings, b, i, x + dx, aug + daug)[kTotalLoss] * static_cast<double>(b.count());
    };
    grad.push_back((loss(step, 0) - loss(-step, 0)) / (2 * step));
    aug_grad.push_back((loss(0, step) - loss(0, -step)) / (2 * step));
    if (settings.kl_prcp != KlKind::kAbsent) perception_kl.push_back(kl(x, aug, settings.kl_prcp));
  }
  auto scaled = widened(actual.grad), scaled_aug = widened(actual.aug_grad);
  for (auto& x : scaled) x *= static_cast<double>(b.count());
  for (auto& x : scaled_aug) x *= static_cast<double>(b.count());
  expect_close(scaled, grad, 1e-5, what + ": gradient");
  expect_close(scaled_aug, aug_grad, 1e-5, what + ": gradient of the masked view");
  for (int k = 0; k < kNumObjectiveSums; ++k)
    expect_close(Buffer<double>{actual.sums[k]}, {sums[k]}, 1e-5, what + ": sum " + std::to_string(k));
  if (!perception_kl.empty()) expect_close(actual.perception_kl, perception_kl, 1e-5, what + ": perception KL");
}

constexpr KlKind kKinds[] = {KlKind::kAbsent, KlKind::kK1, KlKind::kAbs, KlKind::kMse, KlKind::kK3};

ObjectiveSettings settings_of(KlKind kl_ref, KlKind kl_prcp, bool clips) {
  ObjectiveSettings s;
  s.kl_ref = kl_ref;
  s.kl_prcp = kl_prcp;
  s.kl_ref_coef = 0.3;
  s.kl_prcp_coef = 0.7;
  s.ori_entropy_coef = 0.05;
  s.aug_entropy_coef = 0.03;
  if (clips) {
    s.clip_dual = 3;
    s.kl_prcp_clip = 0.2;
  }
  return s;
}

// One token of weight 1 everywhere.
Batch single(float log_prob, float old, float advantage) {
  Batch b;
  b.log_probs = {log_prob};
  b.old = {old};
  b.ref = b.aug = {log_prob};
  b.response = {0};
  b.advantage = {advantage};
  b.loss = b.token = {1};
  return b;
}

double grad_of_single(const ObjectiveSettings& settings, float log_prob, float old, float advantage) {
  return run(settings, single(log_prob, old, advantage)).grad[0];
}

}  // namespace

PAPO_CASE("the objective's sums and gradients are those of float64 loops and finite differences") {
  for (const int count : {1, 17, 37, 777}) {
    for (const KlKind kl_ref : kKinds) {
      for (const KlKind kl_prcp : kKinds) {
        for (const bool all : {false, true}) {
          if (count > 37 && kl_ref != kl_prcp) continue;
          auto settings = settings_of(kl_ref, kl_prcp, all);
          if (all) settings.sft_coef = 0.4;
          expect_oracle(settings, batch_of(count, all),
                        std::to_string(count) + " tokens, kl_ref " + std::to_string(static_cast<int>(kl_ref)) +
                            ", kl_prcp " + std::to_string(static_cast<int>(kl_prcp)) + (all ? ", all terms" : ""));
        }
      }
    }
  }
}

PAPO_CASE("the gradient at a tie is shared as autograd shares it") {
  ObjectiveSettings s;
  // Equal log-probs: both operands of the maximum are -A, half of -A from each.
  expect_close(Buffer<double>{grad_of_single(s, -1, -1, 2)}, {-2}, 1e-6, "ratio 1");
  // On the upper bound the clip still passes its gradient: -A * 1.3 in all.
  const float bound = static_cast<float>(std::log(1.3));
  expect_close(Buffer<double>{grad_of_single(s, bound, 0, 2)}, {-2.6}, 1e-6, "on the clip's bound");
  expect_close(Buffer<double>{grad_of_single(s, 0.3f, 0, 2)}, {0}, 0, "beyond the bound");
  // -A * ratio = -A * dual: the minimum takes half of e^1, where the device's e^1 is the host's.
  s.clip_dual = static_cast<double>(expf(1.0f));
  if (!kOnDevice)
    expect_close(Buffer<double>{grad_of_single(s, 1, 0, -1)}, {std::exp(1.0) / 2}, 1e-6, "loss on the dual clip");
  s.clip_dual = 2;
  expect_close(Buffer<double>{grad_of_single(s, 1, 0, -1)}, {0}, 0, "loss beyond the dual clip");
}

PAPO_CASE("clamped log ratios have no gradient and finite losses") {
  const ObjectiveSettings s;
  for (const float log_prob : {-25.0f, -20.5f}) {
    const Result result = run(s, single(log_prob, 0, -1));
    expect(result.grad[0] == 0 && std::isfinite(result.sums[kTotalLoss]), "gradient 0");
  }
  // A < 0 and no dual clip: the unclipped loss e^20 of a ratio beyond it, without gradient.
  const Result result = run(s, single(0, -30, -1));
  expect(result.grad[0] == 0, "gradient 0");
  expect_close(Buffer<double>{result.sums[kPgLoss] / std::exp(20.0)}, {1}, 1e-6, "loss / e^20");
  expect_close(Buffer<double>{result.sums[kPpoKl]}, {-20}, 0, "ppo_kl");
}

PAPO_CASE("a weight of 0 drops its token whatever the log-probs hold") {
  const float inf = std::numeric_limits<float>::infinity();
  for (const KlKind kind : kKinds) {
    auto b = batch_of(17, true);
    for (const auto weights : {&b.loss, &b.token, &b.pg, &b.prcp, &b.sft}) (*weights)[1] = 0;
    const auto clean = run(settings_of(kind, kind, true), b);
    for (const float wrong : {-inf, inf, NAN}) {
      for (size_t i = 0; i < b.response.size(); ++i)
        if (b.response[i] == 1) b.log_probs[i] = b.old[i] = b.ref[i] = b.aug[i] = wrong;
      const auto actual = run(settings_of(kind, kind, true), b);
      expect_close(actual.grad, widened(clean.grad), 0, "gradient");
      expect_close(actual.aug_grad, widened(clean.aug_grad), 0, "gradient of the masked view");
      expect_close(actual.sums, clean.sums, 0, "sums");
    }
  }
}

PAPO_CASE("a coefficient of 0 measures a term and leaves the gradient as if it were absent") {
  const auto b = batch_of(37, true);
  auto zero = settings_of(KlKind::kK3, KlKind::kK3, true);
  zero.kl_ref_coef = zero.kl_prcp_coef = zero.ori_entropy_coef = zero.aug_entropy_coef = 0;
  auto absent = zero;
  absent.kl_ref = absent.kl_prcp = KlKind::kAbsent;
  const auto actual = run(zero, b), expected = run(absent, b);
  expect_close(actual.grad, widened(expected.grad), 0, "gradient");
  expect_close(actual.aug_grad, std::vector<double>(37, 0), 0, "gradient of the masked view");
  expect(actual.sums[kTotalLoss] == expected.sums[kTotalLoss] && actual.sums[kTotalLoss] == actual.sums[kPgLoss],
         "the policy term alone");
  expect(actual.sums[kKlLoss] != 0 && actual.sums[kKlPrcpLoss] != 0, "measured terms");
}

PAPO_CASE("the objective repeats bit for bit, also over several blocks") {
  const auto b = batch_of(1500, true);
  const auto settings = settings_of(KlKind::kK3, KlKind::kK3, true);
  const auto first = run(settings, b), second = run(settings, b);
  expect(first.sums == second.sums && first.grad == second.grad, "the same bits");
}

PAPO_CASE("the objective refuses settings whose inputs are missing") {
  auto b = single(-1, -1, 1);
  Buffer<float> grad(1);
  Buffer<double> sums(kNumObjectiveSums), work(objective_work_doubles(1));
  const ObjectiveWeights weights{b.advantage.data(), b.loss.data(), b.token.data()};
  const ObjectiveTokens tokens{b.log_probs.data(), b.old.data(), nullptr, nullptr, nullptr, b.response.data(), 1};
  const auto status = [&](const ObjectiveSettings& settings) {
    return objective(settings, tokens, weights, {grad.data(), nullptr, nullptr, sums.data(), work.data()}, nullptr);
  };
  ObjectiveSettings s;
  expect_launched(status(s));
  s.kl_ref = KlKind::kK3;
  expect(status(s) == cudaErrorInvalidValue, "an error without ref_log_probs");
  s = {};
  s.kl_prcp = KlKind::kK1;
  expect(status(s) == cudaErrorInvalidValue, "an error without aug_log_probs");
  s = {};
  s.sft_coef = 1;
  expect(status(s) == cudaErrorInvalidValue, "an error without sft_weights");
}
