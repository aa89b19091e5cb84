#include "kernels/token_log_probs.cuh"

#include "kernels/reduce.cuh"
#include "kernels/softmax.cuh"
#include "kernels/vector.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 512;

// Running sums of one thread: of e^(z - top), and times (z - top), for the entropy.
struct Running {
  float top = -INFINITY, sum = 0, weighted = 0;

  template <int kStep>
  PAPO_DEVICE void take(const Floats<kStep>& z) {
    float highest = z[0];
#pragma unroll
    for (int i = 1; i < kStep; ++i) highest = fmaxf(highest, z[i]);
    raise(highest);
    const float base = finite_base(top);
#pragma unroll
    for (int i = 0; i < kStep; ++i) {
      const float below = z[i] - base, e = __expf(below);
      sum += e;
      weighted += weighted_term(e, below);
    }
  }
  // Moves top up; sums of nothing stay 0.
  PAPO_DEVICE void raise(float to) {
    if (!(to > top)) return;
    if (top > -INFINITY) {
      const float scale = __expf(top - to);
      weighted = scale * (weighted + weighted_term(sum, top - to));
      sum *= scale;
    }
    top = to;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    scores_kernel(const T* __restrict__ logits_CV, const int64_t* __restrict__ target_C, float inverse_temperature,
                  TokenScores scores, int first_row, int vocab) {
  PAPO_SHARED(float, scratch, kWarp);
  const int64_t row = blockIdx.x;
  const T* logits = logits_CV + row * vocab;
  Running running;
  for_row(logits, vocab, true, [&]<int kStep>(int first) {
    auto z = load_step<kStep>(logits + first);
#pragma unroll
    for (int i = 0; i < kStep; ++i) z[i] *= inverse_temperature;
    running.take(z);
  });
  const float top = block_max(running.top, scratch);
  running.raise(top);
  const float sum = block_sum(running.sum, scratch), weighted = block_sum(running.weighted, scratch);
  if (threadIdx.x != 0) return;
  const float log_sum = logf(sum), base = finite_base(top), lse = base + log_sum;
  scores.log_prob_C[row] = to_float(logits[target_C[row]]) * inverse_temperature - base - log_sum;
  scores.lse_C[row] = lse;
  if (scores.entropy_C != nullptr) scores.entropy_C[row] = log_sum - weighted / sum;
  if (!(fabsf(lse) < INFINITY)) atomicMin(scores.bad_row, first_row + static_cast<int>(row));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(T* logits_CV, const int64_t* __restrict__ target_C, float inverse_temperature,
                    const float* __restrict__ lse_C, const float* __restrict__ entropy_C, TokenScoreGrads grads,
                    int vocab) {
  const int64_t row = blockIdx.x;
  T* logits = logits_CV + row * vocab;
  const int target = static_cast<int>(target_C[row]);
  const float lse = lse_C[row];
  const float of_log_prob = grads.log_prob_C == nullptr ? 0.0f : grads.log_prob_C[row] * inverse_temperature;
  const float of_entropy = grads.entropy_C == nullptr ? 0.0f : grads.entropy_C[row] * inverse_temperature;
  const float entropy = grads.entropy_C == nullptr ? 0.0f : entropy_C[row];
  for_row(logits, vocab, true, [&]<int kStep>(int first) {
    auto z = load_step<kStep>(logits + first);
#pragma unroll
    for (int i = 0; i < kStep; ++i) {
      const float log_p = z[i] * inverse_temperature - lse, p = __expf(log_p);
      const float hit = first + i == target ? of_log_prob : 0.0f;
      z[i] = hit - of_log_prob * p - of_entropy * weighted_term(p, log_p + entropy);
    }
    store_step<kStep>(logits + first, z);
  });
}

}  // namespace

template <class T>
cudaError_t token_log_probs(const T* logits_CV, const int64_t* target_C, float inverse_temperature,
                            const TokenScores& scores, int64_t first_row, int64_t rows, int vocab,
                            cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  return PAPO_LAUNCH((scores_kernel<T>), static_cast<unsigned>(rows), row_threads<T>(vocab, kThreads), stream,
                     logits_CV, target_C, inverse_temperature, scores, static_cast<int>(first_row), vocab);
}

template <class T>
cudaError_t token_log_probs_backward_(T* logits_CV, const int64_t* target_C, float inverse_temperature,
                                      const float* lse_C, const float* entropy_C, const TokenScoreGrads& grads,
                                      int64_t rows, int vocab, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  return PAPO_LAUNCH((backward_kernel<T>), static_cast<unsigned>(rows), row_threads<T>(vocab, kThreads), stream,
                     logits_CV, target_C, inverse_temperature, lse_C, entropy_C, grads, vocab);
}

KernelCost token_log_probs_cost(int64_t rows, int vocab, int element_bytes) {
  const double elements = static_cast<double>(rows) * vocab;
  return {elements * element_bytes + 20.0 * static_cast<double>(rows), 7 * elements};
}
KernelCost token_log_probs_backward_cost(int64_t rows, int vocab, int element_bytes) {
  const double elements = static_cast<double>(rows) * vocab;
  return {2 * elements * element_bytes + 24.0 * static_cast<double>(rows), 9 * elements};
}

#define PAPO_INSTANTIATE(T)                                                                                        \
  template cudaError_t token_log_probs(const T*, const int64_t*, float, const TokenScores&, int64_t, int64_t, int, \
                                       cudaStream_t);                                                              \
  template cudaError_t token_log_probs_backward_(T*, const int64_t*, float, const float*, const float*,            \
                                                 const TokenScoreGrads&, int64_t, int, cudaStream_t);
PAPO_INSTANTIATE(float)
PAPO_INSTANTIATE(__nv_bfloat16)
#undef PAPO_INSTANTIATE

}  // namespace papo::kernels
