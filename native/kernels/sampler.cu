// The row stays in memory (L2) and every step is a pass over it: largest logit, mass by segment, mass of likelier
// tokens. Weights are formed anew in each pass: an exponential costs less than a store. All sums are double and in an
// order fixed by the vocabulary's size, so two passes over the same tokens agree to the bit.
#include "kernels/sampler.cuh"

#include "kernels/philox.cuh"
#include "kernels/wide.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 512;
constexpr int kSegments = 256;  // a draw first finds its segment, then walks it
constexpr int kDrawsPerToken = 32;
constexpr unsigned kOne = 0x3F800000u;  // bits of 1.0f, the largest weight

struct Settings {
  bool greedy;
  float scale;  // 1 / temperature
  double top_p;
  int top_k;
  const int32_t* forbidden_ids;
  int num_forbidden;
};

struct Row {
  float* logits;
  int vocab;
  bool aligned;
  float top, scale;

  // Unnormalised probability. Forbidden tokens have none at any scale: -inf * 0 would be nan.
  PAPO_DEVICE float weight(float logit) const {
    const float x = (logit - top) * scale;
    return logit < -FLT_MAX || x < -87.0f ? 0.0f : expf(x);
  }
  PAPO_DEVICE unsigned weight_bits(float logit) const { return __float_as_uint(weight(logit)); }
  PAPO_DEVICE int segment_tokens() const { return ceil_div(ceil_div(vocab, kSegments), 4) * 4; }
};

// use(id, logit) for the tokens [begin, end) of worker `worker` out of `workers`, ids ascending; begin is 0 mod 4.
template <class Use>
PAPO_DEVICE void for_each_token(const Row& row, int begin, int end, int worker, int workers, const Use& use) {
  int tail = begin;
  if (row.aligned) {
    tail = end < begin ? begin : begin + (end - begin) / 4 * 4;
#pragma unroll 1  // 16 bytes a thread in flight are enough at 2 blocks an SM, and 64 registers hold no more
    for (int i = begin + worker * 4; i < tail; i += workers * 4) {
      const Lanes<float> logits = load_vector(row.logits + i);
#pragma unroll
      for (int j = 0; j < 4; ++j) use(i + j, logits[j]);
    }
  }
  for (int i = tail + worker; i < end; i += workers) use(i, row.logits[i]);
}
template <class Use>
PAPO_DEVICE void for_each_token(const Row& row, const Use& use) {
  for_each_token(row, 0, row.vocab, threadIdx.x, kThreads, use);
}

struct Best {
  float logit;
  int id;
  bool bad;  // a nan or +inf was seen
  PAPO_DEVICE void take(const Best& other) {
    bad |= other.bad;
    if (other.logit > logit || (other.logit == logit && other.id < id)) {
      logit = other.logit;
      id = other.id;
    }
  }
};

// Largest logit, lowest id among equals; every thread gets it.
template <class SharedFloat, class SharedInt>
PAPO_DEVICE Best find_best(const Row& row, SharedFloat logits, SharedInt ids) {
  Best best{-INFINITY, row.vocab, false};
  for_each_token(row, [&](int id, float logit) { best.take({logit, id, !(logit <= FLT_MAX)}); });
#pragma unroll
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2)
    best.take({__shfl_xor_sync(kAllLanes, best.logit, lanes), __shfl_xor_sync(kAllLanes, best.id, lanes),
               __shfl_xor_sync(kAllLanes, static_cast<int>(best.bad), lanes) != 0});
  if (threadIdx.x % kWarp == 0) {
    logits[threadIdx.x / kWarp] = best.logit;
    ids[threadIdx.x / kWarp] = best.bad ? -1 - best.id : best.id;
  }
  __syncthreads();
  for (int warp = 0; warp < kThreads / kWarp; ++warp) {
    const int id = ids[warp];
    best.take({logits[warp], id < 0 ? -1 - id : id, id < 0});
  }
  __syncthreads();
  return best;
}

// prefix[s]: mass of the segments before s under `mass_of(logit)`; returns the whole mass, prefix[kSegments].
template <class SharedDouble, class MassOf>
PAPO_DEVICE double sum_segments(const Row& row, SharedDouble prefix, const MassOf& mass_of) {
  const int tokens = row.segment_tokens();
  const int lane = threadIdx.x % kWarp;
  for (int segment = threadIdx.x / kWarp; segment < kSegments; segment += kThreads / kWarp) {
    const int64_t begin = static_cast<int64_t>(segment) * tokens, end = begin + tokens;
    double sum = 0;
    if (begin < row.vocab) {
      for_each_token(row, static_cast<int>(begin), static_cast<int>(end < row.vocab ? end : row.vocab), lane, kWarp,
                     [&](int, float logit) { sum += mass_of(logit); });
      sum = wide_warp_sum(sum);
    }
    if (lane == 0) prefix[segment + 1] = sum;
  }
  __syncthreads();
  // One after the other: a parallel scan need not ascend, and then no segment or two would hold a number.
  if (threadIdx.x == 0) {
    double sum = 0;
    prefix[0] = sum;
    for (int segment = 1; segment <= kSegments; ++segment) {
      sum += prefix[segment];
      prefix[segment] = sum;
    }
  }
  __syncthreads();
  const double total = prefix[kSegments];
  return total;
}

// The token whose share of the mass, laid out by id, holds `target`; a crumb past the end gives the last with mass.
template <class SharedDouble, class SharedInt, class MassOf>
PAPO_DEVICE int token_at(const Row& row, SharedDouble prefix, SharedInt found, double target, const MassOf& mass_of) {
  const int thread = threadIdx.x, lane = thread % kWarp;
  if (thread < kSegments) {
    const double before = prefix[thread], upto = prefix[thread + 1], total = prefix[kSegments];
    if (before < upto && before <= target && (target < upto || upto == total)) found[0] = thread;
  }
  __syncthreads();
  const int segment = found[0];
  __syncthreads();
  if (thread < kWarp) {
    const int begin = segment * row.segment_tokens();
    const int end = row.vocab - begin < row.segment_tokens() ? row.vocab : begin + row.segment_tokens();
    const double left = target - prefix[segment];
    double before = 0;
    int token = begin;
    for (int first = begin; first < end; first += kWarp) {
      const float own = first + lane < end ? mass_of(row.logits[first + lane]) : 0.0f;
      double upto = own;
#pragma unroll
      for (int lanes = 1; lanes < kWarp; lanes *= 2) {
        const double other = __shfl_up_sync(kAllLanes, upto, lanes);
        if (lane >= lanes) upto += other;
      }
      const unsigned here = __ballot_sync(kAllLanes, own > 0 && before + upto > left);
      const unsigned with_mass = __ballot_sync(kAllLanes, own > 0);
      if (with_mass != 0) token = first + 31 - __clz(static_cast<int>(with_mass));
      if (here != 0) {
        token = first + __ffs(static_cast<int>(here)) - 1;
        break;
      }
      before += __shfl_sync(kAllLanes, upto, kWarp - 1);
    }
    if (lane == 0) found[0] = token;
  }
  __syncthreads();
  const int token = found[0];
  __syncthreads();
  return token;
}

struct Likelier {
  double mass;
  int count;
};

// Of the tokens with a weight above that of these bits. Weights are not negative, so bits compare as they do.
template <class SharedDouble, class SharedInt>
PAPO_DEVICE Likelier likelier(const Row& row, unsigned bits, SharedDouble sums, SharedInt counts) {
  Likelier own{0, 0};
  for_each_token(row, [&](int, float logit) {
    const float weight = row.weight(logit);
    const bool above = __float_as_uint(weight) > bits;
    own.mass += above ? weight : 0.0f;
    own.count += above;
  });
  own = {wide_warp_sum(own.mass), wide_warp_sum(own.count)};
  if (threadIdx.x % kWarp == 0) {
    sums[threadIdx.x / kWarp] = own.mass;
    counts[threadIdx.x / kWarp] = own.count;
  }
  __syncthreads();
  Likelier all{0, 0};
  for (int warp = 0; warp < kThreads / kWarp; ++warp) {
    all.mass += sums[warp];
    all.count += counts[warp];
  }
  __syncthreads();
  return all;
}

// The smallest bits for which inside(likelier(bits)) holds, as it must for 1.0 and for all above the result: a search
// by halves, 30 passes. Only a token that 31 draws did not settle, and top-k, come here.
template <class SharedDouble, class SharedInt, class Inside>
PAPO_DEVICE unsigned smallest_inside(const Row& row, SharedDouble sums, SharedInt counts, const Inside& inside) {
  unsigned low = 0, high = kOne;
  while (low < high) {
    const unsigned middle = low + (high - low) / 2;
    if (inside(likelier(row, middle, sums, counts)))
      high = middle;
    else
      low = middle + 1;
  }
  return high;
}

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
