#include "kernels/kl_divergence.cuh"

#include "kernels/reduce.cuh"
#include "kernels/softmax.cuh"
#include "kernels/vector.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 512;

// Running sums of one thread over logits a (of p) and b (of q): e^(a - top_p), e^(b - top_q), and
// e^(a - top_p) * ((a - top_p) - (b - top_q)), from which KL = cross / sum_p - ln sum_p + ln sum_q.
struct Running {
  float top_p = -INFINITY, sum_p = 0, top_q = -INFINITY, sum_q = 0, cross = 0;

  template <int kStep>
  PAPO_DEVICE void take(const Floats<kStep>& a, const Floats<kStep>& b) {
    float highest_a = a[0], highest_b = b[0];
#pragma unroll
    for (int i = 1; i < kStep; ++i) {
      highest_a = fmaxf(highest_a, a[i]);
      highest_b = fmaxf(highest_b, b[i]);
    }
    raise(highest_a, highest_b);
    const float base_p = finite_base(top_p), base_q = finite_base(top_q);
#pragma unroll
    for (int i = 0; i < kStep; ++i) {
      const float below_p = a[i] - base_p, below_q = b[i] - base_q, e = __expf(below_p);
      sum_p += e;
      sum_q += __expf(below_q);
      cross += weighted_term(e, below_p - below_q);
    }
  }
  PAPO_DEVICE void raise(float to_p, float to_q) {
    to_p = fmaxf(top_p, to_p);
    to_q = fmaxf(top_q, to_q);
    // From the bases that the sums were taken with.
    const float down_p = finite_base(top_p) - finite_base(to_p), down_q = finite_base(top_q) - finite_base(to_q);
    cross += weighted_term(sum_p, down_p - down_q);
    // A top of -inf has sums of 0, and its base of 0 may be far below: e^(+large) * 0 would be nan.
    const float scale_p = top_p == -INFINITY ? 0.0f : __expf(down_p);
    cross = weighted_term(scale_p, cross);
    sum_p *= scale_p;
    sum_q *= top_q == -INFINITY ? 0.0f : __expf(down_q);
    top_p = to_p;
    top_q = to_q;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    kl_kernel(const T* __restrict__ p_CV, const T* __restrict__ q_CV, float inverse_temperature, KlDivergence out,
              int first_row, int vocab, bool vectors) {
  PAPO_SHARED(float, scratch, kWarp);
  const int64_t row = blockIdx.x;
  const T *p = p_CV + row * vocab, *q = q_CV + row * vocab;
  Running running;
  for_row(p, vocab, vectors, [&]<int kStep>(int first) {
    auto a = load_step<kStep>(p + first), b = load_step<kStep>(q + first);
#pragma unroll
    for (int i = 0; i < kStep; ++i) {
      a[i] *= inverse_temperature;
      b[i] *= inverse_temperature;
    }
    running.take(a, b);
  });
  const float top_p = block_max(running.top_p, scratch), top_q = block_max(running.top_q, scratch);
  running.raise(top_p, top_q);
  const float sum_p = block_sum(running.sum_p, scratch), sum_q = block_sum(running.sum_q, scratch);
  const float cross = block_sum(running.cross, scratch);
  if (threadIdx.x != 0) return;
  const float log_p = logf(sum_p), log_q = logf(sum_q);
  const float lse_p = finite_base(top_p) + log_p, lse_q = finite_base(top_q) + log_q;
  out.kl_C[row] = cross / sum_p - log_p + log_q;
  out.lse_p_C[row] = lse_p;
  out.lse_q_C[row] = lse_q;
  if (!(fabsf(lse_p) < INFINITY && fabsf(lse_q) < INFINITY)) atomicMin(out.bad_row, first_row + static_cast<int>(row));
}

template <class T, bool kGradQ>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(T* p_CV, T* q_CV, float inverse_temperature, KlDivergence saved, const float* __restrict__ g_kl_C,
                    int vocab, bool vectors) {
  const int64_t row = blockIdx.x;
  T *p = p_CV + row * vocab, *q = q_CV + row * vocab;
  const float lse_p = saved.lse_p_C[row], lse_q = saved.lse_q_C[row], kl = saved.kl_C[row];
  const float scale = g_kl_C[row] * inverse_temperature;
  for_row(p, vocab, vectors, [&]<int kStep>(int first) {
    auto a = load_step<kStep>(p + first), b = load_step<kStep>(q + first);
#pragma unroll
    for (int i = 0; i < kStep; ++i) {
      const float log_p = a[i] * inverse_temperature - lse_p, log_q = b[i] * inverse_temperature - lse_q;
      const float probability = __expf(log_p);
      a[i] = scale * weighted_term(probability, log_p - log_q - kl);
      b[i] = scale * (__expf(log_q) - probability);
    }
    store_step<kStep>(p + first, a);
    if constexpr (kGradQ) store_step<kStep>(q + first, b);
  });
}

// All rows of p and q are equally far from an aligned address.
template <class T>
bool same_alignment(const T* p, const T* q) {
  return ((reinterpret_cast<uintptr_t>(p) ^ reinterpret_cast<uintptr_t>(q)) & 15) == 0;
}

}  // namespace

template <class T>
cudaError_t kl_divergence(const T* p_CV, const T* q_CV, float inverse_temperature, const KlDivergence& out,
                          int64_t first_row, int64_t rows, int vocab, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  return PAPO_LAUNCH((kl_kernel<T>), static_cast<unsigned>(rows), row_threads<T>(vocab, kThreads), stream, p_CV, q_CV,
                     inverse_temperature, out, static_cast<int>(first_row), vocab, same_alignment(p_CV, q_CV));
}

template <class T>
cudaError_t kl_divergence_backward_(T* p_CV, T* q_CV, bool q_grad, float inverse_temperature, const KlDivergence& saved,
                                    const float* g_kl_C, int64_t rows, int vocab, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>(rows);
  const int threads = row_threads<T>(vocab, kThreads);
  const bool vectors = same_alignment(p_CV, q_CV);
  if (q_grad)
    return PAPO_LAUNCH((backward_kernel<T, true>), grid, threads, stream, p_CV, q_CV, inverse_temperature, saved,
                       g_kl_C, vocab, vectors);
  return PAPO_LAUNCH((backward_kernel<T, false>), grid, threads, stream, p_CV, q_CV, inverse_temperature, saved, g_kl_C,
                     vocab, vectors);
}

KernelCost kl_divergence_cost(int64_t rows, int vocab, int element_bytes) {
  const double elements = static_cast<double>(rows) * vocab;
  return {2 * elements * element_bytes + 12.0 * static_cast<double>(rows), 13 * elements};
}
KernelCost kl_divergence_backward_cost(int64_t rows, int vocab, bool q_grad, int element_bytes) {
  const double elements = static_cast<double>(rows) * vocab;
  return {(q_grad ? 4 : 3) * elements * element_bytes + 16.0 * static_cast<double>(rows), 12 * elements};
}

#define PAPO_INSTANTIATE(T)                                                                                          \
  template cudaError_t kl_divergence(const T*, const T*, float, const KlDivergence&, int64_t, int64_t, int,          \
                                     cudaStream_t);                                                                  \
  template cudaError_t kl_divergence_backward_(T*, T*, bool, float, const KlDivergence&, const float*, int64_t, int, \
                                               cudaStream_t);
PAPO_INSTANTIATE(float)
PAPO_INSTANTIATE(__nv_bfloat16)
#undef PAPO_INSTANTIATE

}  // namespace papo::kernels
