// A row of logits as the sampler sees it, and the passes over it that a whole block makes. The row stays in memory
// (L2): weights are formed anew in each pass, because an exponential costs less than a store. Sums are double and in an
// order fixed by the vocabulary's size, so two passes over the same tokens agree to the bit.
#pragma once

#include "kernels/philox_block.cuh"
#include "kernels/wide.cuh"

namespace papo::kernels {

constexpr int kSamplerThreads = 512;
constexpr int kSegments = 256;          // a draw first finds its segment, then walks it
constexpr unsigned kOne = 0x3F800000u;  // bits of 1.0f, the largest weight

// Uniform in [0, 1) with 53 bits: RandomStream::uniform(index) of core/philox.h.
PAPO_DEVICE double philox_uniform(uint64_t key, uint64_t stream, uint64_t index) {
  const uint4 words = philox_block(key, stream, index);
  return static_cast<double>(((static_cast<uint64_t>(words.y) << 32) | words.x) >> 11) * 0x1.0p-53;
}

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
  for_each_token(row, 0, row.vocab, threadIdx.x, kSamplerThreads, use);
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
  for (int warp = 0; warp < kSamplerThreads / kWarp; ++warp) {
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
  for (int segment = threadIdx.x / kWarp; segment < kSegments; segment += kSamplerThreads / kWarp) {
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
  for (int warp = 0; warp < kSamplerThreads / kWarp; ++warp) {
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

}  // namespace papo::kernels
