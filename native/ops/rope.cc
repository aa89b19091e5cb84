#include "ops/rope.h"

#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
void rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int direction, const at::Tensor& y) {
  const int64_t heads = x.size(1), size = x.size(2), half = size / 2;
  const T *from = x.data_ptr<T>(), *cos_data = cos.data_ptr<T>(), *sin_data = sin.data_ptr<T>();
  T* to = y.data_ptr<T>();
  const T sign = static_cast<T>(direction);
  at::parallel_for(0, x.size(0), 32, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *c = cos_data + row * size, *s = sin_data + row * size;
      for (int64_t head = 0; head < heads; ++head) {
        const T *low = from + row * x.stride(0) + head * x.stride(1), *high = low + half;
        T *out_low = to + row * y.stride(0) + head * y.stride(1), *out_high = out_low + half;
#pragma GCC ivdep
        for (int64_t e = 0; e < half; ++e) {
          const T a = low[e], b = high[e];
          out_low[e] = a * c[e] - b * s[e] * sign;
          out_high[e] = b * c[e] + a * s[e] * sign;
        }
      }
    }
  });
}

at::Tensor rotated(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int direction) {
  auto y = at::empty(x.sizes(), x.options());
  rope_cpu(x, cos, sin, direction, y);
  return y;
}

class Rope : public torch::autograd::Function<Rope> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return rotated(x, cos, sin, 1);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    auto grad = grads[0].stride(2) == 1 ? grads[0] : grads[0].contiguous();
    return {rotated(grad, saved[0], saved[1], -1), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

RopeTables rope_tables(const RopeAngles& angles, at::ScalarType dtype) {
  if (runs_kernels(dtype)) return rope_tables_device(angles, dtype);
  const int64_t half = static_cast<int64_t>(angles.frequencies.size());
  const int64_t rows = static_cast<int64_t>(angles.positions.size()) / angles.num_axes;
  auto cos = at::empty({rows, 2 * half}, at::kFloat), sin = at::empty_like(cos);
  float *cos_data = cos.data_ptr<float>(), *sin_data = sin.data_ptr<float>();
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t i = 0; i < half; ++i) {
      const int64_t axis = i < angles.axis_end[0] ? 0 : i < angles.axis_end[1] ? 1 : 2;
      const float angle = static_cast<float>(angles.positions[axis * rows + t]) * angles.frequencies[i];
      const int64_t at = t * 2 * half + i;
      cos_data[at] = cos_data[at + half] = std::cos(angle);
      sin_data[at] = sin_data[at + half] = std::sin(angle);
    }
  }
  return {cos.to(dtype), sin.to(dtype)};
}

void rope_cpu(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE, int direction,
              const at::Tensor& y_THE) {
  const auto run = x_THE.scalar_type() == at::kDouble ? rotate<double> : rotate<float>;
  run(x_THE, cos_TE, sin_TE, direction, y_THE);
}

at::Tensor rope(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE) {
  if (runs_kernels(x_THE)) return rope_device(x_THE, cos_TE, sin_TE);
  if (has_cpu_kernel(x_THE) && x_THE.stride(2) == 1) return Rope::apply(x_THE, cos_TE, sin_TE);
  return rope_composed(x_THE, cos_TE, sin_TE);
}

at::Tensor rope_composed(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE) {
  auto halves = x_THE.chunk(2, -1);
  auto rotated = at::cat({-halves[1], halves[0]}, -1);
  return x_THE * cos_TE.unsqueeze(1) + rotated * sin_TE.unsqueeze(1);
}

}  // namespace papo
