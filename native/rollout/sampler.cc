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

int64_t argmax(const float* values, int64_t count) { return std::max_element(values, values + count) - values; }

// The unnormalised distribution with the sums of its blocks, for drawing by inversion.
struct Distribution {
  const float* weights;
  int64_t count;
  std::vector<double> block_sums;
  double total;

  Distribution(const float* weights, int64_t count) : weights(weights), count(count), total(0) {
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      const int64_t end = std::min(count, begin + kBlock);
      block_sums.push_back(std::accumulate(weights + begin, weights + end, 0.0));
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
  const float own = d.weights[token];
  int64_t likelier = 0;
  double mass = 0;
  for (int64_t i = 0; i < d.count; ++i) {
    const bool above = d.weights[i] > own;
    likelier += above;
    mass += above ? d.weights[i] : 0.0f;
  }
  return (top_k <= 0 || likelier < top_k) && mass < top_p * top_k_mass;
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

int64_t sample_token(float* logits_V, int64_t vocab, const SamplingSpec& spec, const RandomStream& stream,
                     uint64_t position) {
  const int64_t best = argmax(logits_V, vocab);
  const float top = logits_V[best];
  bool any_nan = false;
  for (int64_t i = 0; i < vocab; ++i) any_nan |= std::isnan(logits_V[i]);
  check(std::isfinite(top) && !any_nan, "sample_token",
        "the logits of token " + std::to_string(position) + " are not finite", "E_NONFINITE");
  if (spec.temperature == 0 || spec.top_k == 1) return best;
  // Finite, or the likeliest token's (top - top) * scale would be nan.
  const float scale = static_cast<float>(std::min(1.0 / spec.temperature, 0x1p127));
  const auto lowest = broadcast(std::numeric_limits<float>::lowest());
  for (int64_t i = 0; i < vocab; i += kLanes<float>) {
    const auto logit = load(logits_V + i);
    // A forbidden token has weight 0 at any scale: -inf * 0 would be nan.
    store(logits_V + i, logit < lowest ? Vec<float>{} : vexp((logit - top) * scale));
  }
  const Distribution distribution(logits_V, vocab);
  const uint64_t first_draw = position * kDrawsPerToken;
  if (spec.top_p >= 1 && spec.top_k <= 0) return distribution.at(stream.uniform(first_draw));
  const double top_k_mass = mass_of_top_k(distribution, spec.top_k);
  for (uint64_t draw = 0; draw + 1 < kDrawsPerToken; ++draw) {
    const int64_t token = distribution.at(stream.uniform(first_draw + draw));
    if (inside_cut(distribution, token, spec.top_p, spec.top_k, top_k_mass)) return token;
  }
  return draw_from_cut(distribution, spec, top_k_mass, stream.uniform(first_draw + kDrawsPerToken - 1));
}

}  // namespace papo
