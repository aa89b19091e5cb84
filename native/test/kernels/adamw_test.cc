#include "kernels/adamw.cuh"

#include <limits>

#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

constexpr double kRate = 0.01, kDecay = 0.1, kMaxNorm = 1.0;

template <class W, class M>
struct State {
  static constexpr bool narrow = std::is_same_v<W, __nv_bfloat16>, narrow_moments = std::is_same_v<M, __nv_bfloat16>;
  Buffer<W> weights;
  Buffer<M> first, second;
  Buffer<float> grad, master;
  Buffer<W> compensation;

  explicit State(size_t count) : weights(as<W>(normal(count, 1))), first(count), second(count), grad(count) {
    if (narrow && !narrow_moments)
      for (const W weight : weights) master.push_back(static_cast<float>(wide(weight)));
    if (narrow && narrow_moments) compensation.resize(count);
  }
  // From `offset` on, so that 1 is not aligned.
  AdamwBuffers<W, M> buffers(int offset) {
    return {weights.data() + offset,
            first.data() + offset,
            second.data() + offset,
            grad.data() + offset,
            master.empty() ? nullptr : master.data() + offset,
            compensation.empty() ? nullptr : compensation.data() + offset};
  }
};

float cast(float x, const float*) { return x; }
float cast(float x, const __nv_bfloat16*) { return static_cast<float>(wide(rounded<__nv_bfloat16>(x))); }

// optim/adamw.cc's `move`, on elements offset and after.
template <class W, class M>
void move_as_the_cpu(State<W, M>& s, size_t offset, const AdamwRates& rates, double norm) {
  const float clip = static_cast<float>(std::min(1.0, rates.max_grad_norm / (norm + 1e-6)));
  const auto get = [](auto x) { return static_cast<float>(wide(x)); };
  for (size_t i = offset; i < s.weights.size(); ++i) {
    const float g = s.grad[i] * clip;
    const float m = rates.beta1 * get(s.first[i]) + (1 - rates.beta1) * g;
    const float v = rates.beta2 * get(s.second[i]) + (1 - rates.beta2) * g * g;
    s.first[i] = rounded<M>(m);
    s.second[i] = rounded<M>(v);
    s.grad[i] = 0;
    const float change = -rates.rate * m / (std::sqrt(v) * rates.root + rates.eps);
    if (!s.compensation.empty()) {
      const float before = get(s.weights[i]);
      const float pending = cast(get(s.compensation[i]) + change - before * rates.decay, s.weights.data());
      s.weights[i] = rounded<W>(before + pending);
      s.compensation[i] = rounded<W>(pending - (get(s.weights[i]) - before));
      continue;
    }
    const float before = s.master.empty() ? get(s.weights[i]) : s.master[i];
    const float after = before - before * rates.decay + change;
    if (!s.master.empty()) s.master[i] = after;
    s.weights[i] = rounded<W>(after);
  }
}

template <class W, class M>
void steps_match() {
  for (const size_t count : {1, 17, 37, 2048, 5003}) {
    for (const int offset : {0, 1}) {
      State<W, M> actual(count + offset), expected(count + offset);
      for (int step = 1; step <= 3; ++step) {
        actual.grad = expected.grad = normal(count + offset, 10 + step, 0.1f);
        const Buffer<double> norm{step == 2 ? 0.5 : 3.0};  // below and above the bound
        const AdamwRates rates = adamw_rates(kRate, 0.9, 0.999, 1e-8, kDecay, kMaxNorm, step);
        Buffer<int32_t> skipped{7};
        expect_launched(adamw(actual.buffers(offset), count, rates, norm.data(), skipped.data(), nullptr));
        move_as_the_cpu(expected, offset, rates, norm[0]);
        expect(skipped[0] == 0, "no skip");
      }
      const std::string at = " of " + std::to_string(count) + " at " + std::to_string(offset);
      expect_close(actual.weights, widened(expected.weights), kSameOperations<W>, "weights" + at);
      expect_close(actual.first, widened(expected.first), kSameOperations<M>, "first moment" + at);
      expect_close(actual.second, widened(expected.second), kSameOperations<M>, "second moment" + at);
      expect_close(actual.master, widened(expected.master), kSameOperations<float>, "master" + at);
      expect_close(actual.compensation, widened(expected.compensation), kSameOperations<W>, "compensation" + at);
      expect_close(actual.grad, widened(expected.grad), 0, "gradient" + at);
    }
  }
}

}  // namespace

PAPO_CASE("adamw moves float32 weights as the CPU does") { steps_match<float, float>(); }
PAPO_CASE("adamw moves float32 weights with bfloat16 moments as the CPU does") { steps_match<float, __nv_bfloat16>(); }
PAPO_CASE("adamw moves bfloat16 weights with a float32 master as the CPU does") { steps_match<__nv_bfloat16, float>(); }
PAPO_CASE("adamw moves bfloat16 weights with Kahan compensation as the CPU does") {
  steps_match<__nv_bfloat16, __nv_bfloat16>();
}

PAPO_CASE("adamw keeps in the compensation what bfloat16 weights cannot take") {
  // The first step moves a weight of 1 by 1e-4, and one ulp of bfloat16 there is 2^-8; after 100 steps it moved.
  State<__nv_bfloat16, __nv_bfloat16> state(1);
  state.weights[0] = rounded<__nv_bfloat16>(1.0f);
  const Buffer<double> norm{1};
  Buffer<int32_t> skipped{0};
  for (int step = 1; step <= 100; ++step) {
    state.grad[0] = 1;
    const AdamwRates rates = adamw_rates(1e-4, 0.9, 0.999, 1e-8, 0, 1e9, step);
    expect_launched(adamw(state.buffers(0), 1, rates, norm.data(), skipped.data(), nullptr));
  }
  expect_close(Buffer<double>{wide(state.weights[0]) + wide(state.compensation[0])}, {1 - 0.01}, 1e-3, "weight");
}

PAPO_CASE("adamw skips a step whose norm is not finite, zeroes the gradient and raises the flag") {
  for (const double value : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    const Buffer<double> norm{value};
    State<__nv_bfloat16, float> state(37);
    const auto before = widened(state.weights);
    state.grad = normal(37, 3);
    Buffer<int32_t> skipped{0};
    const AdamwRates rates = adamw_rates(kRate, 0.9, 0.999, 1e-8, kDecay, kMaxNorm, 1);
    expect_launched(adamw(state.buffers(0), 37, rates, norm.data(), skipped.data(), nullptr));
    expect(skipped[0] == 1, "the flag");
    expect_close(state.weights, before, 0, "weights");
    expect_close(state.first, std::vector<double>(37, 0), 0, "first moment");
    expect_close(state.grad, std::vector<double>(37, 0), 0, "gradient");
  }
}

PAPO_CASE("adamw refuses buffers that do not fit the types") {
  State<__nv_bfloat16, float> state(1);
  auto buffers = state.buffers(0);
  buffers.master = nullptr;
  const double norm = 1;
  int32_t skipped = 0;
  expect(adamw(buffers, 1, adamw_rates(kRate, 0.9, 0.999, 1e-8, 0, 1, 1), &norm, &skipped, nullptr) ==
             cudaErrorInvalidValue,
         "an error without a master");
}

PAPO_CASE("adamw costs what its buffers weigh") {
  // Read and written: 4-byte weights, two moments, gradient.
  expect(adamw_cost(10, 4, 4).bytes == 10 * 2 * 16, "320 bytes");
  // 2-byte weights, three 4-byte buffers, a 4-byte master.
  expect(adamw_cost(10, 2, 4).bytes == 10 * 2 * 18, "360 bytes");
}
