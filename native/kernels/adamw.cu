#include "kernels/adamw.cuh"

#include <type_traits>

#include "kernels/wide.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;

// What a pair of types keeps beside weights and moments.
template <class W, class M>
constexpr bool kHasMaster = std::is_same_v<W, __nv_bfloat16> && std::is_same_v<M, float>;
template <class W, class M>
constexpr bool kHasCompensation = std::is_same_v<W, __nv_bfloat16> && std::is_same_v<M, __nv_bfloat16>;

struct Element {
  float weight, first, second, grad;
  float extra;  // master weight or compensation
};

template <class W, class M>
PAPO_DEVICE void move(Element& x, const AdamwRates& rates, float clip) {
  const float g = x.grad * clip;
  const float m = rates.beta1 * x.first + (1 - rates.beta1) * g;
  const float v = rates.beta2 * x.second + (1 - rates.beta2) * g * g;
  x.first = m;
  x.second = v;
  const float change = -rates.rate * m / (sqrtf(v) * rates.root + rates.eps);
  if constexpr (kHasCompensation<W, M>) {
    // Decay and change go through the buffer, which keeps what the rounded weight could not take.
    const float before = x.weight;
    const float pending = rounded_to<W>(x.extra + change - before * rates.decay);
    x.weight = rounded_to<W>(before + pending);
    x.extra = pending - (x.weight - before);
  } else {
    const float before = kHasMaster<W, M> ? x.extra : x.weight;
    x.weight = before - before * rates.decay + change;
    x.extra = x.weight;
  }
}

// Eight elements a thread. Up to 80 registers: 3 blocks an SM, each with 4 to 8 loads of 16 bytes a thread in flight.
template <class W, class M>
__global__ void __launch_bounds__(kThreads, 3) adamw_kernel(AdamwBuffers<W, M> p, int64_t count, AdamwRates rates,
                                                            bool aligned, const double* norm, int32_t* skipped) {
  const double norm_value = *norm;
  const bool finite = is_finite(norm_value);
  if (blockIdx.x == 0 && threadIdx.x == 0) *skipped = !finite;
  // As torch's clip_grad_norm_: the factor never exceeds 1.
  const float clip = static_cast<float>(fmin(1.0, rates.max_grad_norm / (norm_value + 1e-6)));
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kEight;
  if (begin >= count) return;
  if (!finite) {
    for (int64_t i = begin; i < count && i < begin + kEight; ++i) p.grad[i] = 0;
    return;
  }
  if (aligned && begin + kEight <= count) {
    Eight weight = load_eight(p.weights + begin), first = load_eight(p.first + begin);
    Eight second = load_eight(p.second + begin), grad = load_eight(p.grad + begin), extra{};
    if constexpr (kHasMaster<W, M>) extra = load_eight(p.master + begin);
    if constexpr (kHasCompensation<W, M>) extra = load_eight(p.compensation + begin);
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
      Element x{weight[i], first[i], second[i], grad[i], extra[i]};
      move<W, M>(x, rates, clip);
      weight[i] = x.weight;
      first[i] = x.first;
      second[i] = x.second;
      extra[i] = x.extra;
    }
    store_eight(p.weights + begin, weight);
    store_eight(p.first + begin, first);
    store_eight(p.second + begin, second);
    store_eight(p.grad + begin, Eight{});
    if constexpr (kHasMaster<W, M>) store_eight(p.master + begin, extra);
    if constexpr (kHasCompensation<W, M>) store_eight(p.compensation + begin, extra);
    return;
  }
  for (int64_t i = begin; i < count && i < begin + kEight; ++i) {
    Element x{to_float(p.weights[i]), to_float(p.first[i]), to_float(p.second[i]), p.grad[i], 0};
    if constexpr (kHasMaster<W, M>) x.extra = p.master[i];
    if constexpr (kHasCompensation<W, M>) x.extra = to_float(p.compensation[i]);
    move<W, M>(x, rates, clip);
    p.weights[i] = from_float<W>(x.weight);
    p.first[i] = from_float<M>(x.first);
    p.second[i] = from_float<M>(x.second);
    p.grad[i] = 0;
    if constexpr (kHasMaster<W, M>) p.master[i] = x.extra;
    if constexpr (kHasCompensation<W, M>) p.compensation[i] = from_float<W>(x.extra);
  }
}

}  // namespace

AdamwRates adamw_rates(double lr, double beta1, double beta2, double eps, double weight_decay, double max_grad_norm,
                       int64_t step) {
  const double steps = static_cast<double>(step);
  return {static_cast<float>(beta1),
          static_cast<float>(beta2),
          static_cast<float>(eps),
          static_cast<float>(lr * weight_decay),
          static_cast<float>(lr / (1.0 - std::pow(beta1, steps))),
          static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta2, steps))),
          max_grad_norm};
}

template <class W, class M>
cudaError_t adamw(const AdamwBuffers<W, M>& p, int64_t count, const AdamwRates& rates, const double* norm,
                  int32_t* skipped, cudaStream_t stream) {
  if (kHasMaster<W, M> != (p.master != nullptr)) return cudaErrorInvalidValue;
  if (kHasCompensation<W, M> != (p.compensation != nullptr)) return cudaErrorInvalidValue;
  const bool aligned = is_vector_aligned(p.weights) && is_vector_aligned(p.first) && is_vector_aligned(p.second) &&
                       is_vector_aligned(p.grad) && is_vector_aligned(p.master) && is_vector_aligned(p.compensation);
  // One block at least, which writes *skipped.
  const int64_t wanted = ceil_div<int64_t>(count, kThreads * kEight);
  const unsigned blocks = static_cast<unsigned>(wanted < 1 ? 1 : wanted);
  return PAPO_LAUNCH((adamw_kernel<W, M>), blocks, kThreads, stream, p, count, rates, aligned, norm, skipped);
}

template cudaError_t adamw(const AdamwBuffers<float, float>&, int64_t, const AdamwRates&, const double*, int32_t*,
                           cudaStream_t);
template cudaError_t adamw(const AdamwBuffers<float, __nv_bfloat16>&, int64_t, const AdamwRates&, const double*,
                           int32_t*, cudaStream_t);
template cudaError_t adamw(const AdamwBuffers<__nv_bfloat16, float>&, int64_t, const AdamwRates&, const double*,
                           int32_t*, cudaStream_t);
template cudaError_t adamw(const AdamwBuffers<__nv_bfloat16, __nv_bfloat16>&, int64_t, const AdamwRates&, const double*,
                           int32_t*, cudaStream_t);

KernelCost adamw_cost(int64_t count, int bytes_per_weight, int bytes_per_moment) {
  // Weights, both moments and the gradient are read and written; so is a master or a compensation.
  const int extra = bytes_per_weight == 4 ? 0 : bytes_per_moment;
  const double bytes = 2.0 * (bytes_per_weight + 2 * bytes_per_moment + 4 + extra);
  return {bytes * static_cast<double>(count), 18.0 * static_cast<double>(count)};
}

}  // namespace papo::kernels
