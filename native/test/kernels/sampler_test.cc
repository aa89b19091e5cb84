// The oracle is rollout/sampler.cc in float64: sorting, whole distributions, the same random numbers.
#include "kernels/sampler.cuh"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/philox.h"
#include "kernels/sampler_row.cuh"
#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

__global__ void philox_kernel(SampleDraw draw, double* out) {
  out[threadIdx.x] = philox_uniform(draw.key, draw.stream, draw.position + threadIdx.x);
}

double uniform(const SampleDraw& draw, uint64_t number) {
  const auto b = papo::philox4x32(draw.key, draw.stream, draw.position * 32 + number);
  return static_cast<double>(((static_cast<uint64_t>(b[1]) << 32) | b[0]) >> 11) * 0x1.0p-53;
}

struct Expected {
  int64_t token;
  bool by_cut;  // 31 draws were outside the cut
};

// Walks `order` until the mass exceeds target.
int64_t walk(const std::vector<double>& weights, const std::vector<int64_t>& order, double target) {
  int64_t last = order.front();
  for (const int64_t id : order) {
    if (weights[id] <= 0) continue;
    last = id;
    target -= weights[id];
    if (target < 0) break;
  }
  return last;
}

Expected expected_token(std::vector<double> logits, const SamplerSpec& spec, const std::vector<int32_t>& forbidden,
                        const SampleDraw& draw) {
  for (const int32_t id : forbidden)
    if (id >= 0 && id < static_cast<int32_t>(logits.size())) logits[id] = -kInf;
  const int64_t vocab = static_cast<int64_t>(logits.size());
  const int64_t best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  if (spec.temperature == 0 || spec.top_k == 1) return {best, false};
  std::vector<double> weights(vocab);
  for (int64_t i = 0; i < vocab; ++i) {
    const double x = (logits[i] - logits[best]) / spec.temperature;
    weights[i] = x < -87 ? 0 : std::exp(x);
  }
  std::vector<int64_t> by_id(vocab), by_weight;
  std::iota(by_id.begin(), by_id.end(), 0);
  by_weight = by_id;
  std::stable_sort(by_weight.begin(), by_weight.end(), [&](int64_t a, int64_t b) { return weights[a] > weights[b]; });
  const bool by_count = spec.top_k > 0 && spec.top_k < vocab;
  const double least = by_count ? weights[by_weight[spec.top_k - 1]] : 0;
  double total = 0, kept_by_count = 0;
  for (const double weight : weights) {
    total += weight;
    kept_by_count += weight >= least ? weight : 0;
  }
  const auto inside = [&](int64_t id) {
    double likelier = 0;
    for (const double weight : weights) likelier += weight > weights[id] ? weight : 0;
    return weights[id] >= least && likelier < spec.top_p * kept_by_count;
  };
  const bool no_cut = spec.top_p >= 1 && !by_count;
  for (uint64_t number = 0; number < 31; ++number) {
    const int64_t id = walk(weights, by_id, uniform(draw, number) * total);
    if (no_cut || inside(id)) return {id, false};
  }
  std::vector<int64_t> cut;
  double kept = 0;
  for (const int64_t id : by_weight) {
    if (weights[id] <= 0 || !inside(id)) break;
    cut.push_back(id);
    kept += weights[id];
  }
  return {walk(weights, cut, uniform(draw, 31) * kept), true};
}

struct Sampled {
  Buffer<int64_t> tokens;
  Buffer<float> log_probs;
  Buffer<int32_t> first_bad_row{std::numeric_limits<int32_t>::max()};
};

Buffer<SampleDraw> draws_of(int rows, uint64_t position = 0) {
  Buffer<SampleDraw> draws(rows);
  for (int row = 0; row < rows; ++row) draws[row] = {seed() * 77, 0x123456789ull * (row + 1), position + row % 3};
  return draws;
}

Sampled sample(Buffer<float> logits, int rows, SamplerSpec spec, const Buffer<int32_t>& forbidden,
               const Buffer<SampleDraw>& draws) {
  Sampled out{Buffer<int64_t>(rows, -1), Buffer<float>(rows)};
  spec.forbidden_ids = forbidden.data();
  spec.num_forbidden = static_cast<int>(forbidden.size());
  expect_launched(sample_tokens(logits.data(), rows, static_cast<int>(logits.size()) / rows, draws.data(), spec,
                                out.tokens.data(), out.log_probs.data(), out.first_bad_row.data(), nullptr));
  return out;
}

// Compares tokens and log-probs with the oracle; gives how many rows the cut decided.
int expect_oracle(const Buffer<float>& logits, int rows, const SamplerSpec& spec, const Buffer<int32_t>& forbidden,
                  const std::string& what) {
  const size_t vocab = logits.size() / rows;
  const auto draws = draws_of(rows);
  const Sampled actual = sample(logits, rows, spec, forbidden, draws);
  int by_cut = 0;
  std::vector<double> log_probs(rows);
  for (int row = 0; row < rows; ++row) {
    const std::vector<double> own(logits.begin() + row * vocab, logits.begin() + (row + 1) * vocab);
    const Expected expected = expected_token(own, spec, forbidden, draws[row]);
    by_cut += expected.by_cut;
    expect(actual.tokens[row] == expected.token, what + ", row " + std::to_string(row) + ": token " +
                                                     std::to_string(expected.token) + ", got " +
                                                     std::to_string(actual.tokens[row]));
    const double temperature = spec.temperature == 0 ? 1 : spec.temperature;
    const double top = *std::max_element(own.begin(), own.end());
    double sum = 0;
    for (const double logit : own) sum += std::exp((logit - top) / temperature);
    log_probs[row] = (own[expected.token] - top) / temperature - std::log(sum);
  }
  expect_close(actual.log_probs, log_probs, 1e-5, what + ": log-prob");
  expect(actual.first_bad_row[0] == std::numeric_limits<int32_t>::max(), "no bad row");
  return by_cut;
}

SamplerSpec spec_of(double temperature, double top_p, int64_t top_k) {
  SamplerSpec spec;
  spec.temperature = temperature;
  spec.top_p = top_p;
  spec.top_k = top_k;
  return spec;
}

std::string text(const SamplerSpec& spec, int vocab) {
  return "vocabulary " + std::to_string(vocab) + ", temperature " + std::to_string(spec.temperature) + ", top_p " +
         std::to_string(spec.top_p) + ", top_k " + std::to_string(spec.top_k);
}

}  // namespace

PAPO_CASE("the device's random numbers are those of core/philox.h") {
  const SampleDraw draw{0xFEDCBA9876543210ull, 0x0123456789ABCDEFull, 0xFFFFFFFFFFFFull};
  Buffer<double> actual(64);
  expect_launched(PAPO_LAUNCH(philox_kernel, 1, 64, nullptr, draw, actual.data()));
  for (uint64_t i = 0; i < 64; ++i) {
    const auto b = papo::philox4x32(draw.key, draw.stream, draw.position + i);
    expect(actual[i] == static_cast<double>(((static_cast<uint64_t>(b[1]) << 32) | b[0]) >> 11) * 0x1.0p-53,
           "number " + std::to_string(i));
  }
}

PAPO_CASE("the sampler draws the CPU's tokens and their log-probs, whatever the cut") {
  for (const int vocab : {1, 2, 17, 37, 1024, 5003}) {
    for (const auto& spec : {spec_of(1, 1, 0), spec_of(0.6, 0.9, 0), spec_of(1, 0.99, 20), spec_of(1.5, 1, 5),
                             spec_of(1, 0.5, 1), spec_of(0, 0.9, 0), spec_of(1, 1e-9, 0)}) {
      const int rows = vocab > 1000 ? 1 : 3;
      expect_oracle(normal(static_cast<size_t>(rows) * vocab, vocab, 3), rows, spec, {}, text(spec, vocab));
    }
  }
}

PAPO_CASE("the sampler takes Qwen2.5-VL's vocabulary, and one whose rows are not aligned") {
  for (const int vocab : {151936, 152063})
    expect_oracle(normal(static_cast<size_t>(2) * vocab, vocab, 3), 2, spec_of(1, 0.99, 0), {5, vocab - 1},
                  text(spec_of(1, 0.99, 0), vocab));
}

PAPO_CASE("the sampler computes the cut itself when no draw falls into it") {
  int by_cut = 0;
  for (const auto& spec : {spec_of(1, 1e-9, 0), spec_of(1, 0.01, 0), spec_of(1, 1, 3), spec_of(1, 0.4, 3)}) {
    // Nearly flat over 2000 tokens: a draw is likelier than 1 in 50 in none of these cuts.
    by_cut += expect_oracle(normal(2 * 2000, 5, 0.3f), 2, spec, {}, text(spec, 2000));
  }
  expect(by_cut >= 4, "rows that the cut decides, got " + std::to_string(by_cut));
}

PAPO_CASE("tokens of equal logits are kept or cut together") {
  for (const auto& spec : {spec_of(1, 1e-9, 0), spec_of(1, 0.5, 3), spec_of(1, 1, 0)})
    expect_oracle(Buffer<float>(2 * 37, -2.5f), 2, spec, {}, "all equal, " + text(spec, 37));
  // Five likeliest equals among 1500: nearly every draw misses them.
  auto logits = normal(1500, 9, 0.1f);
  for (const int id : {3, 700, 701, 1100, 1499}) logits[id] = 2;
  for (const auto& spec : {spec_of(1, 1e-9, 0), spec_of(1, 1, 2)})
    expect_oracle(logits, 1, spec, {}, "equals at the top, " + text(spec, 1500));
}

PAPO_CASE("the sampler never draws a forbidden token, whose log-prob mass still counts") {
  for (const auto& spec : {spec_of(1, 1, 0), spec_of(0.8, 0.9, 0), spec_of(1, 1, 4), spec_of(0, 1, 0)}) {
    auto logits = normal(4 * 101, 2, 2);
    for (int row = 0; row < 4; ++row) logits[row * 101 + 7] = 12;  // the likeliest, by far
    expect_oracle(logits, 4, spec, {0, 7, 50, 100, 5000}, "forbidden, " + text(spec, 101));
  }
}

PAPO_CASE("the one token that is not -inf is drawn") {
  for (const auto& spec :
       {spec_of(1, 1, 0), spec_of(1, 1e-9, 0), spec_of(1, 1, 2), spec_of(1e-30, 0.9, 0), spec_of(0, 1, 0)}) {
    Buffer<float> logits(2 * 37, -std::numeric_limits<float>::infinity());
    logits[36] = -50;
    logits[37] = 1e30f;
    const Sampled actual = sample(logits, 2, spec, {}, draws_of(2));
    expect(actual.tokens == Buffer<int64_t>({36, 0}), "tokens 36 and 0 with " + text(spec, 37));
    expect_close(actual.log_probs, {0, 0}, 1e-6, "log-prob");
  }
}

PAPO_CASE("greedy takes the lowest id among equals") {
  Buffer<float> logits(1000, -1);
  for (const int id : {517, 3 * 128 + 5, 999}) logits[id] = 4;
  expect(sample(logits, 1, spec_of(0, 1, 0), {}, draws_of(1)).tokens[0] == 389, "token 389");
}

PAPO_CASE("rows whose logits are not finite are reported by the smallest number") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const float wrong : {nan, inf}) {
    for (const int id : {0, 36, 20}) {  // 20 is forbidden: training would meet it all the same
      auto logits = normal(5 * 37, 4);
      logits[2 * 37 + id] = logits[4 * 37 + id] = wrong;
      const Sampled actual = sample(logits, 5, spec_of(1, 0.9, 0), {20}, draws_of(5));
      expect(actual.first_bad_row[0] == 2, "row 2, got " + std::to_string(actual.first_bad_row[0]));
      expect(actual.tokens[2] == 0 && std::isnan(actual.log_probs[2]), "token 0 with nan");
      expect(std::isfinite(actual.log_probs[3]), "row 3 unharmed");
    }
  }
  const Sampled none = sample(Buffer<float>(2, 1.0f), 1, spec_of(1, 1, 0), {0, 1}, draws_of(1));
  expect(none.first_bad_row[0] == 0, "no allowed token");
}

PAPO_CASE("the sampler follows the cut distribution") {
  // e^logit: 1 2 3 4 5 6 and 0.5; top_p 0.69 of 21.5 is 14.8, which 6 + 5 do not reach and 6 + 5 + 4 do.
  const std::vector<double> mass{4, 0.5, 6, 1, 2, 5, 3};
  const std::vector<double> shares{4 / 15.0, 0, 6 / 15.0, 0, 0, 5 / 15.0, 0};
  constexpr int kRows = 100;
  Buffer<float> logits;
  for (int row = 0; row < kRows; ++row)
    for (const double x : mass) logits.push_back(static_cast<float>(std::log(x)));
  const Sampled actual = sample(logits, kRows, spec_of(1, 0.69, 0), {}, draws_of(kRows, 5));
  std::vector<int> counts(mass.size());
  for (const int64_t token : actual.tokens) ++counts[token];
  double chi_square = 0;
  for (size_t i = 0; i < mass.size(); ++i) {
    if (shares[i] == 0) {
      expect(counts[i] == 0, "no token outside the cut, got " + std::to_string(i));
      continue;
    }
    const double expected = kRows * shares[i];
    chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  // Two degrees of freedom: 13.8 is passed once in 1000 runs; the seeds are fixed.
  expect(chi_square < 13.8, "chi square below 13.8, got " + std::to_string(chi_square));
}

PAPO_CASE("the sampler refuses settings outside their range") {
  Buffer<float> logits(2);
  const auto status = [&](const SamplerSpec& spec) {
    return sample_tokens(logits.data(), 1, 2, nullptr, spec, nullptr, nullptr, nullptr, nullptr);
  };
  for (const auto& spec : {spec_of(-1, 1, 0), spec_of(1, 0, 0), spec_of(std::nan(""), 1, 0)})
    expect(status(spec) == cudaErrorInvalidValue, "an error");
}
