#include "ops/rms_norm.h"

#include "core/parallel.h"
#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows a task takes; also the fixed unit of the weight gradient's sum, so that it does not depend on the threads.
constexpr int64_t kRowsPerTask = 64;

struct NormState {
  Param weight;
};

template <class T>
void forward_rows(const at::Tensor& x, const at::Tensor& weight, double eps, at::Tensor& y, at::Tensor& rstd) {
  const int64_t rows = x.size(0), width = x.size(1);
  const T *from = x.data_ptr<T>(), *scale = weight.data_ptr<T>();
  T *to = y.data_ptr<T>(), *inverse = rstd.data_ptr<T>();
  at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* in = from + row * width;
      T* out = to + row * width;
      T squares = 0;
#pragma GCC ivdep
      for (int64_t d = 0; d < width; ++d) squares += in[d] * in[d];
      inverse[row] = T(1) / std::sqrt(squares / static_cast<T>(width) + static_cast<T>(eps));
      for (int64_t d = 0; d < width; ++d) out[d] = in[d] * inverse[row] * scale[d];
    }
  });
}

// grad_x = rstd * (g w - x_hat * mean(g w x_hat)), grad_w = sum over rows of g x_hat, with x_hat = x rstd.
template <class T>
at::Tensor backward_rows(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& rstd, const Param& weight) {
  const int64_t rows = x.size(0), width = x.size(1), tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
  auto grad_x = at::empty_like(x);
  auto partial = at::zeros({tasks, width}, x.options());
  const T *g_data = grad.data_ptr<T>(), *x_data = x.data_ptr<T>(), *inverse = rstd.data_ptr<T>();
  const T* scale = weight.value.data_ptr<T>();
  T *gx_data = grad_x.data_ptr<T>(), *partial_data = partial.data_ptr<T>();
  parallel_tasks(tasks, [&](int64_t task) {
    T* sums = partial_data + task * width;
    for (int64_t row = task * kRowsPerTask; row < std::min(rows, (task + 1) * kRowsPerTask); ++row) {
      const T *g = g_data + row * width, *in = x_data + row * width;
      T* out = gx_data + row * width;
      T dot = 0;
      for (int64_t d = 0; d < width; ++d) dot += g[d] * scale[d] * in[d];
      const T r = inverse[row], shift = dot * r * r / static_cast<T>(width);
      for (int64_t d = 0; d < width; ++d) {
        out[d] = r * (g[d] * scale[d] - in[d] * shift);
        sums[d] += g[d] * in[d] * r;
      }
    }
  });
  if (weight.trained()) weight.grad.add_(partial.sum(0));
  return grad_x;
}

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& weight_value,
                            const Param& weight, double eps) {
    const auto x = x_in.contiguous();
    auto y = at::empty_like(x);
    auto rstd = at::empty({x.size(0)}, x.options());
    auto run = x.scalar_type() == at::kDouble ? forward_rows<double> : forward_rows<float>;
    run(x, weight.value, eps, y, rstd);
    ctx->save_for_backward({x, rstd});
    hold(ctx, weight);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    auto run = saved[0].scalar_type() == at::kDouble ? backward_rows<double> : backward_rows<float>;
    return {run(grads[0].contiguous(), saved[0], saved[1], held<Param>(ctx)), at::Tensor(), at::Tensor(), at::Tensor()};
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

at::Tensor rms_norm(const at::Tensor& x_ND, const Param& weight, double eps) {
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
