#include "kernels/sampler.cuh"

#include "kernels/sampler_row.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = kSamplerThreads;
constexpr int kDrawsPerToken = 32;

struct Settings {
  bool greedy;
  float scale;  // 1 / temperature
  double top_p;
  int top_k;
  const int32_t* forbidden_ids;
  int num_forbidden;
};

// Mass of the forbidden tokens as sum * exp(top * scale), taken before their logits become -inf.
struct Forbidden {
  float top;
  double sum;
};

template <class SharedFloat, class SharedDouble>
PAPO_DEVICE Forbidden take_forbidden(const Row& row, const Settings& settings, SharedFloat maxima, SharedDouble sums) {
  const auto for_each_forbidden = [&](const auto& use) {
    for (int i = threadIdx.x; i < settings.num_forbidden; i += kThreads) {
      const int id = settings.forbidden_ids[i];
      if (id >= 0 && id < row.vocab) use(row.logits[id]);
    }
  };
  float top = -INFINITY;
  bool bad = false;
  for_each_forbidden([&](float logit) {
    bad |= !(logit <= FLT_MAX);
    top = fmaxf(top, logit);
  });
  top = block_max(bad ? INFINITY : top, maxima);
  double sum = 0;
  // An id listed twice would count twice: the list has each once.
  if (top >= -FLT_MAX && top <= FLT_MAX)
    for_each_forbidden([&](float logit) { sum += expf((logit - top) * settings.scale); });
  sum = wide_block_sum(sum, sums);
  for_each_forbidden([&](float& logit) { logit = -INFINITY; });
  __syncthreads();
  return {top, sum};
}

// At most 64 registers: 2 blocks an SM.
__global__ void __launch_bounds__(kThreads, 2)
    sampler_kernel(float* logits_MV, int vocab, const SampleDraw* draws_M, Settings settings, int64_t* tokens_M,
                   float* log_probs_M, int32_t* first_bad_row) {
  PAPO_SHARED(double, prefix, kSegments + 1);
  PAPO_SHARED(double, sums, kWarp);
  PAPO_SHARED(float, floats, kWarp);
  PAPO_SHARED(int, ints, kWarp);
  PAPO_SHARED(double, log_mass, 1);  // here rather than in registers through all the passes

  float* logits = logits_MV + static_cast<int64_t>(blockIdx.x) * vocab;
  Row row{logits, vocab, is_vector_aligned(logits), 0, settings.scale};

  const Forbidden forbidden = take_forbidden(row, settings, floats, sums);
  const Best best = find_best(row, floats, ints);
  if (best.bad || !is_finite(best.logit) || forbidden.top > FLT_MAX) {
    if (threadIdx.x == 0) {
      tokens_M[blockIdx.x] = 0;
      log_probs_M[blockIdx.x] = NAN;
      atomicMin(first_bad_row, static_cast<int>(blockIdx.x));
    }
    return;
  }
  row.top = best.logit;
  const auto weight = [&](float logit) { return row.weight(logit); };
  const double total = sum_segments(row, prefix, weight);
  if (threadIdx.x == 0) {
    const double top = fmaxf(best.logit, forbidden.top);
    log_mass[0] =
        top * settings.scale + log(total * exp((best.logit - top) * settings.scale) +
                                   forbidden.sum * exp((fmaxf(forbidden.top, -FLT_MAX) - top) * settings.scale));
  }

  int token = best.id;
  if (!settings.greedy) {
    const auto uniform = [&](int draw) {
      const SampleDraw from = draws_M[blockIdx.x];
      return philox_uniform(from.key, from.stream, from.position * kDrawsPerToken + static_cast<uint64_t>(draw));
    };
    const bool by_count = settings.top_k > 0;
    const auto few = [&](const Likelier& above) { return !by_count || above.count < settings.top_k; };
    if (settings.top_p >= 1 && !by_count) {
      token = token_at(row, prefix, ints, uniform(0) * total, weight);
    } else {
      double limit = settings.top_p * total;
      if (by_count) {
        // Ties at the k-th are kept, so the mass is that of all weights above the bits just below.
        const unsigned kth = smallest_inside(row, sums, ints, few);
        if (kth > 0) limit = settings.top_p * likelier(row, kth - 1, sums, ints).mass;
      }
      const auto inside = [&](const Likelier& above) { return few(above) && above.mass < limit; };
      bool accepted = false;
      for (int draw = 0; draw + 1 < kDrawsPerToken && !accepted; ++draw) {
        token = token_at(row, prefix, ints, uniform(draw) * total, weight);
        accepted = inside(likelier(row, row.weight_bits(row.logits[token]), sums, ints));
      }
      if (!accepted) {
        // Tokens by falling weight, equals by id: the weight whose tokens hold the target, then the token among them.
        const unsigned least = smallest_inside(row, sums, ints, inside);
        const double kept = likelier(row, least > 0 ? least - 1 : 0, sums, ints).mass;
        // Below the whole, whatever the product rounds to.
        const double target = fmin(uniform(kDrawsPerToken - 1), 1.0 - 0x1p-52) * kept;
        const unsigned bits =
            smallest_inside(row, sums, ints, [&](const Likelier& above) { return above.mass <= target; });
        const double before = likelier(row, bits, sums, ints).mass;
        const auto equal = [&](float logit) {
          const float own = row.weight(logit);
          return __float_as_uint(own) == bits ? own : 0.0f;
        };
        sum_segments(row, prefix, equal);
        token = token_at(row, prefix, ints, target - before, equal);
      }
    }
  }
  if (threadIdx.x == 0) {
    const double log_all = log_mass[0];
    tokens_M[blockIdx.x] = token;
    log_probs_M[blockIdx.x] = static_cast<float>(static_cast<double>(row.logits[token]) * settings.scale - log_all);
  }
}

bool is_greedy(const SamplerSpec& spec) { return spec.temperature == 0 || spec.top_k == 1; }

}  // namespace

cudaError_t sample_tokens(float* logits_MV, int rows, int vocab, const SampleDraw* draws_M, const SamplerSpec& spec,
                          int64_t* tokens_M, float* log_probs_M, int32_t* first_bad_row, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  if (vocab <= 0 || !(spec.temperature >= 0) || !(spec.top_p > 0)) return cudaErrorInvalidValue;
  // Finite, or the likeliest token's (top - top) * scale would be nan.
  const double scale = spec.temperature == 0 ? 1.0 : std::fmin(1.0 / spec.temperature, 0x1p127);
  const Settings settings{is_greedy(spec),    static_cast<float>(scale),
                          spec.top_p,         spec.top_k <= 0 || spec.top_k >= vocab ? 0 : static_cast<int>(spec.top_k),
                          spec.forbidden_ids, spec.num_forbidden};
  return PAPO_LAUNCH(sampler_kernel, rows, kThreads, stream, logits_MV, vocab, draws_M, settings, tokens_M, log_probs_M,
                     first_bad_row);
}

KernelCost sample_tokens_cost(int rows, int vocab, const SamplerSpec& spec) {
  const bool cut = !is_greedy(spec) && (spec.top_p < 1 || spec.top_k > 0);
  const double numbers = static_cast<double>(rows) * vocab;
  // The first pass comes from memory; later ones too, when the rows in flight exceed the cache, which this assumes.
  const double passes = cut ? 3 : 2;
  return {4.0 * numbers * passes, 4.0 * numbers * passes};
}

}  // namespace papo::kernels
