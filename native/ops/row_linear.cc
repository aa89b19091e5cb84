#include "ops/row_linear.h"

#include "core/error.h"
#include "core/flops.h"
#include "core/parallel.h"
#include "core/vec.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace papo {
namespace {

using V = Vec<float>;
constexpr int64_t kW = kLanes<float>;
constexpr int64_t kQuads = kW / 4;           // in a vector
constexpr int64_t kProductsATask = 1 << 17;  // below that a thread is not worth its start

inline V load_wide(const float* from) { return load(from); }
inline V load_wide(const at::BFloat16* from) {
  typedef uint16_t Half __attribute__((vector_size(2 * kW)));
  typedef uint32_t Bits __attribute__((vector_size(4 * kW)));
  Half half;
  std::memcpy(&half, from, sizeof(half));
  const Bits bits = __builtin_convertvector(half, Bits) << 16;
  V out;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}
template <class T>
V load_part(const T* from, int64_t count) {
  T part[kW] = {};
  std::copy_n(from, count, part);
  return load_wide(part);
}

// Four numbers, four times.
inline V repeat_quad(const float* from) {
#ifdef __AVX512F__
  return reinterpret_cast<V>(_mm512_broadcast_f32x4(_mm_loadu_ps(from)));
#else
  V out;
  for (int64_t q = 0; q < kQuads; ++q) std::memcpy(reinterpret_cast<float*>(&out) + 4 * q, from, 16);
  return out;
#endif
}

// Rows and columns of 4 x 4 quads exchanged.
inline void transpose_quads(const V* v, V* to) {
  const V ab_low = __builtin_shufflevector(v[0], v[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  const V ab_high = __builtin_shufflevector(v[0], v[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  const V cd_low = __builtin_shufflevector(v[2], v[3], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  const V cd_high = __builtin_shufflevector(v[2], v[3], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  to[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  to[1] = __builtin_shufflevector(ab_low, cd_low, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  to[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  to[3] = __builtin_shufflevector(ab_high, cd_high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

// The sum of each of the 16 quads, in order; the pairs are the same in every quad.
inline V quad_sums(const V* v) {
  const auto halve = [](V a, V b) {
    return __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
           __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
  };
  const V a = halve(v[0], v[1]), b = halve(v[2], v[3]);
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
         __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

// y = x weight^T + bias; x and bias are float32, weights and y of type T. Each element is four sums, over every fourth
// input, and then their sum; a vector holds those of four outputs.
template <class T>
struct Product {
  const float *x, *bias;  // x's rows padded to in_padded by zeros; bias may be null
  const T* weight;
  T* y;
  int64_t rows, in, in_padded, out;
  const float* panels = nullptr;  // of all outputs, when they are laid out already

  // Weights of 16 outputs from o on, `count` of which exist, as [in_padded / 4, 16, 4].
  void pack(int64_t o, int64_t count, float* panel) const {
    for (int64_t group = 0; group < kQuads; ++group) {
      for (int64_t i = 0; i < in_padded; i += kW) {
        V four[kQuads] = {}, quads[kQuads];
        const int64_t there = std::clamp<int64_t>(count - group * kQuads, 0, kQuads);
        const T* from = weight + (o + group * kQuads) * in + i;
        if (there == kQuads && i + kW <= in) {
#pragma GCC unroll 4
          for (int64_t j = 0; j < kQuads; ++j) four[j] = load_wide(from + j * in);
        } else {
          for (int64_t j = 0; j < there; ++j) four[j] = load_part(from + j * in, std::min(kW, in - i));
        }
        transpose_quads(four, quads);
#pragma GCC unroll 4
        for (int64_t q = 0; q < kQuads; ++q) store(panel + (i / 4 + q) * 4 * kW + group * kW, quads[q]);
      }
    }
  }

  // `ahead` is what is needed next of weights that stream from memory; each step fetches `lines` cache lines of it.
  struct Ahead {
    const float* at;
    int lines;
  };
  template <int kRows>
  void tile(int64_t row, int64_t o, int64_t count, const float* panel, Ahead& ahead) const {
    V sums[kRows][kQuads] = {};
    const float* from = x + row * in_padded;
    for (int64_t i = 0; i < in_padded; i += 4) {
      for (int line = 0; line < ahead.lines; ++line, ahead.at += kW) __builtin_prefetch(ahead.at, 0, 2);
      V w[kQuads];
#pragma GCC unroll 4
      for (int64_t g = 0; g < kQuads; ++g) w[g] = load(panel + i * kW + g * kW);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const V four = repeat_quad(from + r * in_padded + i);
#pragma GCC unroll 4
        for (int64_t g = 0; g < kQuads; ++g) sums[r][g] += w[g] * four;
      }
    }
    const V shift = bias == nullptr ? V{} : count == kW ? load(bias + o) : load_part(bias + o, count);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      float values[kW];
      store(values, quad_sums(sums[r]) + shift);
      T* to = y + (row + r) * out + o;
      if (count == kW)
        for (int64_t j = 0; j < kW; ++j) to[j] = static_cast<T>(values[j]);
      else
        for (int64_t j = 0; j < count; ++j) to[j] = static_cast<T>(values[j]);
    }
  }

  void outputs(int64_t begin, int64_t end) const {
    std::vector<float> own(panels == nullptr ? in_padded * kW : 0);
    for (int64_t o = begin; o < end; o += kW) {
      const int64_t count = std::min(kW, end - o);
      if (panels == nullptr) pack(o, count, own.data());
      const float* panel = panels == nullptr ? own.data() : panels + o * in_padded;
      // A panel has a line for each input, and every tile of rows takes a step for four of them.
      const bool streams = panels != nullptr && o + kW < out;
      Ahead ahead{panel + kW * in_padded, streams ? static_cast<int>((4 + rows / 6) / (rows / 6 + 1)) : 0};
      int64_t row = 0;
      for (; row + 6 <= rows; row += 6) tile<6>(row, o, count, panel, ahead);
      if (row + 4 <= rows) tile<4>(row, o, count, panel, ahead), row += 4;
      if (row + 2 <= rows) tile<2>(row, o, count, panel, ahead), row += 2;
      if (row < rows) tile<1>(row, o, count, panel, ahead);
    }
  }
  void run() const {
    const int64_t a_task = round_up(kProductsATask / (rows * in_padded) + 1, kW);
    parallel_tasks((out + a_task - 1) / a_task,
                   [&](int64_t task) { outputs(task * a_task, std::min(out, (task + 1) * a_task)); });
  }
};

at::Tensor padded_rows(const at::Tensor& x_NI) {
  const int64_t in = x_NI.size(1), padded = round_up(in, kW);
  if (padded == in) return x_NI.to(at::kFloat).contiguous();
  auto out = at::zeros({x_NI.size(0), padded}, at::kFloat);
  out.narrow(1, 0, in).copy_(x_NI);
  return out;
}

template <class T>
at::Tensor multiply(const at::Tensor& x_NI, const Param& weight, const Param& bias, const at::Tensor& panels) {
  auto y_NO = at::empty({x_NI.size(0), weight.value.size(0)}, x_NI.options());
  if (y_NO.numel() == 0) return y_NO;
  const auto x = padded_rows(x_NI);
  const auto wide_bias = bias.defined() ? bias.value.to(at::kFloat) : at::Tensor();
  Product<T>{x.data_ptr<float>(),
             bias.defined() ? wide_bias.data_ptr<float>() : nullptr,
             weight.value.data_ptr<T>(),
             y_NO.data_ptr<T>(),
             x.size(0),
             x_NI.size(1),
             x.size(1),
             y_NO.size(1),
             panels.defined() ? panels.data_ptr<float>() : nullptr}
      .run();
  return y_NO;
}

}  // namespace

RowLinear::RowLinear(const Param& weight, const Param& bias, bool keep_panels) : weight_(weight), bias_(bias) {
  if (!keep_panels || weight.value.scalar_type() != at::kFloat) return;
  const int64_t out = weight.value.size(0), in = weight.value.size(1), in_padded = round_up(in, kW);
  panels_ = at::empty({round_up(out, kW), in_padded}, at::kFloat);
  float* panels = panels_.data_ptr<float>();
  const Product<float> product{nullptr, nullptr, weight.value.data_ptr<float>(), nullptr, 0, in, in_padded, out};
  parallel_tasks((out + kW - 1) / kW, [&](int64_t panel) {
    product.pack(panel * kW, std::min(kW, out - panel * kW), panels + panel * kW * in_padded);
  });
}

at::Tensor RowLinear::operator()(const at::Tensor& x_NI) const {
  const auto type = x_NI.scalar_type();
  check(type == weight_.value.scalar_type() && (type == at::kFloat || type == at::kBFloat16), "row_linear",
        "takes float32 or bfloat16, rows and weights alike", "E_DTYPE");
  poll_cancel();
  count_flops(2.0 * static_cast<double>(x_NI.size(0)) * static_cast<double>(weight_.value.numel()));
  return type == at::kFloat ? multiply<float>(x_NI, weight_, bias_, panels_)
                            : multiply<at::BFloat16>(x_NI, weight_, bias_, panels_);
}

}  // namespace papo
