#include "rollout/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/vec.h"

namespace papo {
namespace {

constexpr uint64_t kDrawsPerToken = 32;
constexpr int64_t kBlock = 1024;

using V = Vec<float>;
using Bits = VecOf<float>::bits;
constexpr int64_t kW = kLanes<float>;

// Sums of a vector's floats in double, so that a vocabulary's worth of them keeps its digits.
struct WideSum {
  Vec<double> low = {}, high = {};
  void add(V v) {
    typedef float Half __attribute__((vector_size(32)));
    Half halves[2];
    std::memcpy(halves, &v, sizeof(v));
    low += __builtin_convertvector(halves[0], Vec<double>);
    high += __builtin_convertvector(halves[1], Vec<double>);
  }
  double total() const { return horizontal_sum<double>(low + high); }
};

// The largest logit; throws when none is above -inf or one is nan.
float top_logit(const float* logits, int64_t vocab, uint64_t position) {
  V top = load(logits);
  Bits nan = {};
  for (int64_t i = 0; i < vocab; i += kW) {
    const V v = load(logits + i);
    nan |= v != v;
    top = v > top ? v : top;
  }
  float best = -std::numeric_limits<float>::infinity();
  bool any_nan = false;
  for (int64_t lane = 0; lane < kW; ++lane) best = std::max(best, top[lane]), any_nan |= nan[lane] != 0;
  check(std::isfinite(best) && !any_nan, "sample_token",
        "the logits of token " + std::to_string(position) + " are not finite", "E_NONFINITE");
  return best;
}

// The unnormalised distribution with the sums of its blocks, for drawing by inversion. Turns logits into weights
// exp((logit - top) * scale); the row ends on a whole vector.
struct Distribution {
  const float* weights;
  int64_t count;
  std::vector<double> block_sums;
  double total = 0;

  Distribution(float* logits, int64_t count, float top, float scale) : weights(logits), count(count) {
    const V lowest = broadcast(std::numeric_limits<float>::lowest());
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      WideSum sum;
      for (int64_t i = begin; i < std::min(count, begin + kBlock); i += kW) {
        const V logit = load(logits + i);
        // A forbidden token has weight 0 at any scale: -inf * 0 would be nan.
        const V weight = logit < lowest ? V{} : vexp((logit - top) * scale);
        store(logits + i, weight);
        sum.add(weight);
      }
      block_sums.push_back(sum.total());
      total += block_sums.back();
    }
  }
  int64_t at(double uniform) const {
    double left = uniform * total;
    size_t block = 0;
    while (block + 1 < block_sums.size() && left >= block_sums[block]) left -= block_sums[block++];
    const int64_t begin = static_cast<int64_t>(block) * kBlock, end = std::min(count, begin + kBlock);
    int64_t last = begin;
    for (int64_t i = begin; i < end; ++i) {
      if (weights[i] <= 0) continue;
      last = i;
      left -= weights[i];
      if (left < 0) return i;
    }
    return last;  // rounding left a crumb
  }
};

// Whether `token` is inside the cut: fewer than k tokens are likelier, and they hold less than p of the top-k mass.
bool inside_cut(const Distribution& d, int64_t token, double top_p, int64_t top_k, double top_k_mass) {
  const V own = broadcast(d.weights[token]);
  WideSum mass;
  Bits likelier = {};
  for (int64_t i = 0; i < d.count; i += kW) {
    const V weight = load(d.weights + i);
    const Bits above = weight > own;
    likelier -= above;
    mass.add(above ? weight : V{});
  }
  int64_t num_likelier = 0;
  for (int64_t lane = 0; lane < kW; ++lane) num_likelier += likelier[lane];
  return (top_k <= 0 || num_likelier < top_k) && mass.total() < top_p * top_k_mass;
}

// Mass of the k likeliest tokens, ties at the k-th included.
double mass_of_top_k(const Distribution& d, int64_t top_k) {
  if (top_k <= 0 || top_k >= d.count) return d.total;
  std::vector<float> sorted(d.weights, d.weights + d.count);
  std::nth_element(sorted.begin(), sorted.begin() + top_k - 1, sorted.end(), std::greater<>());
  const float kth = sorted[top_k - 1];
  double mass = 0;
  for (int64_t i = 0; i < d.count; ++i) mass += d.weights[i] >= kth ? d.weights[i] : 0.0f;
  return mass;
}

// Draws from the cut distribution itself.
int64_t draw_from_cut(const Distribution& d, const SamplingSpec& spec, double top_k_mass, double uniform) {
  std::vector<int64_t> order(d.count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return d.weights[a] > d.weights[b]; });
  double kept = 0, before = 0;
  int64_t count = 0;
  for (; count < d.count; ++count) {
    const float weight = d.weights[order[count]];
    if (count > 0 && weight < d.weights[order[count - 1]]) before = kept;  // mass of strictly likelier tokens
    const bool too_many = spec.top_k > 0 && count >= spec.top_k && weight < d.weights[order[spec.top_k - 1]];
    if (weight <= 0 || too_many || before >= spec.top_p * top_k_mass) break;
    kept += weight;
  }
  double left = uniform * kept;
  for (int64_t i = 0; i < count; ++i) {
    left -= d.weights[order[i]];
    if (left < 0) return order[i];
  }
  return order[std::max<int64_t>(0, count - 1)];
}

}  // namespace

SampledToken sample_token(float* logits_V, int64_t vocab, const SamplingSpec& spec,
                          const std::vector<int64_t>& forbidden_ids, const RandomStream& stream, uint64_t position) {
  std::vector<float> forbidden;
  for (int64_t id : forbidden_ids) {
    if (id < 0 || id >= vocab || std::isinf(logits_V[id])) continue;  // named twice
    forbidden.push_back(logits_V[id]);
    logits_V[id] = -std::numeric_limits<float>::infinity();
  }
  const float top = top_logit(logits_V, vocab, position);
  const bool greedy = spec.temperature == 0;
  const int64_t best = greedy || spec.top_k == 1 ? std::find(logits_V, logits_V + vocab, top) - logits_V : int64_t{-1};
  // Finite, or the likeliest token's (top - top) * scale would be nan.
  const float scale = greedy ? 1.0f : static_cast<float>(std::min(1.0 / spec.temperature, 0x1p127));
  const Distribution distribution(logits_V, vocab, top, scale);
  double whole = distribution.total;
  for (float logit : forbidden) whole += std::exp(static_cast<double>(logit - top) * scale);
  check(std::isfinite(whole), "sample_token",
        "a forbidden logit of token " + std::to_string(position) + " is not finite", "E_NONFINITE");
  const auto sampled = [&](int64_t id) {
    return SampledToken{id, static_cast<float>(std::log(static_cast<double>(logits_V[id])) - std::log(whole))};
  };
  if (best >= 0) return sampled(best);
  const uint64_t first_draw = position * kDrawsPerToken;
  if (spec.top_p >= 1 && spec.top_k <= 0) return sampled(distribution.at(stream.uniform(first_draw)));
  const double top_k_mass = mass_of_top_k(distribution, spec.top_k);
  for (uint64_t draw = 0; draw + 1 < kDrawsPerToken; ++draw) {
    const int64_t token = distribution.at(stream.uniform(first_draw + draw));
    if (inside_cut(distribution, token, spec.top_p, spec.top_k, top_k_mass)) return sampled(token);
  }
  return sampled(draw_from_cut(distribution, spec, top_k_mass, stream.uniform(first_draw + kDrawsPerToken - 1)));
}

}  // namespace papo
