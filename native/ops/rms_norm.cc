#include "ops/rms_norm.h"

#include "core/parallel.h"
#include "core/vec.h"
#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows a task takes; also the fixed unit of the weight gradient's sum, so that it does not depend on the threads.
constexpr int64_t kRowsPerTask = 64;

// Four vectors of partial sums, so that they do not wait for each other.
template <class T>
T dot(const T* a, const T* b, int64_t count) {
  constexpr int64_t kW = kLanes<T>;
  Vec<T> sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kW <= count; i += 4 * kW)
    for (int64_t s = 0; s < 4; ++s) sums[s] += load(a + i + s * kW) * load(b + i + s * kW);
  T rest = 0;
  for (; i < count; ++i) rest += a[i] * b[i];
  return rest + horizontal_sum<T>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// y = x * rstd * weight; rstd of each row is made first when `make_rstd`.
template <class T>
void forward_rows(const at::Tensor& x, const at::Tensor& weight, double eps, const at::Tensor& y,
                  const at::Tensor& rstd, bool make_rstd) {
  const int64_t rows = x.size(0), width = x.size(1);
  const T *from = x.data_ptr<T>(), *scale = weight.data_ptr<T>();
  T *to = y.data_ptr<T>(), *inverse = rstd.data_ptr<T>();
  at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* in = from + row * width;
      T* out = to + row * width;
      if (make_rstd) {
        const T squares = dot(in, in, width);
        inverse[row] = T(1) / std::sqrt(squares / static_cast<T>(width) + static_cast<T>(eps));
      }
      const T factor = inverse[row];
#pragma GCC ivdep
      for (int64_t d = 0; d < width; ++d) out[d] = in[d] * factor * scale[d];
    }
  });
}

// grad_x = rstd * (g w - x_hat * mean(g w x_hat)), grad_w = sum over rows of g x_hat, with x_hat = x rstd.
template <class T>
void backward_rows(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& rstd, const Param& weight,
                   const at::Tensor& residual, const at::Tensor& grad_x) {
  const int64_t rows = x.size(0), width = x.size(1), tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
  const bool trained = weight.trained();
  const auto partial = at::zeros({trained ? tasks : 0, width}, x.options());
  const T *g_data = grad.data_ptr<T>(), *x_data = x.data_ptr<T>(), *inverse = rstd.data_ptr<T>();
  const T *scale = weight.value.data_ptr<T>(), *more = residual.defined() ? residual.data_ptr<T>() : nullptr;
  T *gx_data = grad_x.data_ptr<T>(), *partial_data = partial.data_ptr<T>();
  parallel_tasks(tasks, [&](int64_t task) {
    std::vector<T> scaled(width);
    for (int64_t row = task * kRowsPerTask; row < std::min(rows, (task + 1) * kRowsPerTask); ++row) {
      const T *g = g_data + row * width, *in = x_data + row * width;
      T* out = gx_data + row * width;
      const T r = inverse[row];
      if (trained) {
        T* sums = partial_data + task * width;
#pragma GCC ivdep
        for (int64_t d = 0; d < width; ++d) sums[d] += g[d] * in[d] * r;
      }
#pragma GCC ivdep
      for (int64_t d = 0; d < width; ++d) scaled[d] = g[d] * scale[d];
      const T shift = dot(scaled.data(), in, width) * r * r / static_cast<T>(width);
      const T* add = more == nullptr ? nullptr : more + row * width;
      if (add == nullptr) {
#pragma GCC ivdep
        for (int64_t d = 0; d < width; ++d) out[d] = r * (scaled[d] - in[d] * shift);
      } else {
#pragma GCC ivdep
        for (int64_t d = 0; d < width; ++d) out[d] = add[d] + r * (scaled[d] - in[d] * shift);
      }
    }
  });
  if (trained) weight.grad.add_(partial.sum(0));
}

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& weight_value,
                            const Param& weight, double eps) {
    const auto x = x_in.contiguous();
    auto y = at::empty_like(x);
    auto rstd = at::empty({x.size(0)}, x.options());
    rms_norm_forward_cpu(x, weight.value, eps, y, rstd);
    ctx->save_for_backward({x, rstd});
    hold(ctx, weight);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto grad_x = at::empty_like(saved[0]);
    rms_norm_backward_cpu(grads[0].contiguous(), saved[0], saved[1], held<Param>(ctx), {}, grad_x);
    return {grad_x, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// The composed op with the weight's gradient added to Param::grad.
class ComposedWeight : public torch::autograd::Function<ComposedWeight> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& value, const Param& param) {
    hold(ctx, param.grad);
    return value.detach().clone();
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    held<at::Tensor>(ctx).add_(grads[0]);
    return {at::Tensor(), at::Tensor()};
  }
};

}  // namespace

void rms_norm_forward_cpu(const at::Tensor& x_ND, const at::Tensor& weight_D, double eps, const at::Tensor& y_ND,
                          const at::Tensor& rstd_N) {
  const auto run = x_ND.scalar_type() == at::kDouble ? forward_rows<double> : forward_rows<float>;
  run(x_ND, weight_D, eps, y_ND, rstd_N, true);
}

void rms_norm_again_cpu(const at::Tensor& x_ND, const at::Tensor& rstd_N, const at::Tensor& weight_D,
                        const at::Tensor& y_ND) {
  const auto run = x_ND.scalar_type() == at::kDouble ? forward_rows<double> : forward_rows<float>;
  run(x_ND, weight_D, 0, y_ND, rstd_N, false);
}

void rms_norm_backward_cpu(const at::Tensor& grad_ND, const at::Tensor& x_ND, const at::Tensor& rstd_N,
                           const Param& weight, const at::Tensor& residual_ND, const at::Tensor& grad_x_ND) {
  const auto run = x_ND.scalar_type() == at::kDouble ? backward_rows<double> : backward_rows<float>;
  run(grad_ND, x_ND, rstd_N, weight, residual_ND, grad_x_ND);
}

at::Tensor rms_norm(const at::Tensor& x_ND, const Param& weight, double eps) {
  if (runs_kernels(x_ND)) return rms_norm_device(x_ND, weight, eps);
  if (has_cpu_kernel(x_ND)) return RmsNorm::apply(x_ND, weight.value, weight, eps);
  if (at::GradMode::is_enabled() && weight.trained())
    return rms_norm_composed(x_ND, ComposedWeight::apply(weight.value, weight), eps);
  return rms_norm_composed(x_ND, weight.value.detach(), eps);
}

at::Tensor rms_norm_composed(const at::Tensor& x_ND, const at::Tensor& weight_D, double eps) {
  const auto type = x_ND.scalar_type();
  const auto wide = type == at::kDouble ? x_ND : x_ND.to(at::kFloat);
  return weight_D * (wide * at::rsqrt(wide.pow(2).mean(-1, true) + eps)).to(type);
}

}  // namespace papo
