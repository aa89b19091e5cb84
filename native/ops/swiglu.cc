#include "ops/swiglu.h"

#include "core/vec.h"
#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Calls body(offset, count) for vectors of a row of `width`; the last one may be partial.
template <class T, class Body>
void for_vectors(int64_t width, const Body& body) {
  for (int64_t i = 0; i < width; i += kLanes<T>) body(i, std::min(kLanes<T>, width - i));
}
template <class T>
Vec<T> load_part(const T* from, int64_t count) {
  if (count == kLanes<T>) return load(from);
  Vec<T> v = {};
  std::memcpy(&v, from, count * sizeof(T));
  return v;
}
template <class T>
void store_part(T* to, Vec<T> v, int64_t count) {
  std::memcpy(to, &v, count * sizeof(T));
}
template <class T>
Vec<T> sigmoid(Vec<T> x) {
  return T(1) / (T(1) + vexp(-x));
}

template <class T>
void forward_rows(const at::Tensor& x, const at::Tensor& y) {
  const int64_t width = y.size(1);
  const T* from = x.data_ptr<T>();
  T* to = y.data_ptr<T>();
  at::parallel_for(0, x.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *gate = from + row * 2 * width, *up = gate + width;
      for_vectors<T>(width, [&](int64_t i, int64_t count) {
        const Vec<T> g = load_part(gate + i, count);
        store_part(to + row * width + i, g * sigmoid<T>(g) * load_part(up + i, count), count);
      });
    }
  });
}

// d silu(g) / dg = s (1 + g (1 - s)) with s = sigmoid(g).
template <class T>
void backward_rows(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& grad_x, const at::Tensor& y) {
  const int64_t width = grad.size(1);
  const T *g_data = grad.data_ptr<T>(), *from = x.data_ptr<T>();
  T *to = grad_x.data_ptr<T>(), *value = y.data_ptr<T>();
  at::parallel_for(0, x.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *gate = from + row * 2 * width, *up = gate + width, *out_grad = g_data + row * width;
      T *gate_grad = to + row * 2 * width, *up_grad = gate_grad + width;
      for_vectors<T>(width, [&](int64_t i, int64_t count) {
        const Vec<T> g = load_part(gate + i, count), u = load_part(up + i, count), d = load_part(out_grad + i, count);
        const Vec<T> s = sigmoid<T>(g);
        const Vec<T> silu = g * s;
        store_part(gate_grad + i, d * u * (s + silu * (T(1) - s)), count);
        store_part(up_grad + i, d * silu, count);
        store_part(value + row * width + i, silu * u, count);
      });
    }
  });
}

class Swiglu : public torch::autograd::Function<Swiglu> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in) {
    const auto x = x_in.contiguous();
    auto y = at::empty({x.size(0), x.size(1) / 2}, x.options());
    swiglu_forward_cpu(x, y);
    ctx->save_for_backward({x});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto x = ctx->get_saved_variables()[0];
    const auto grad = grads[0].contiguous();
    const auto grad_x = at::empty_like(x);
    swiglu_backward_cpu(grad, x, grad_x, at::empty_like(grad));
    return {grad_x};
  }
};

}  // namespace

void swiglu_forward_cpu(const at::Tensor& gate_up_N2I, const at::Tensor& y_NI) {
  const auto run = y_NI.scalar_type() == at::kDouble ? forward_rows<double> : forward_rows<float>;
  run(gate_up_N2I, y_NI);
}

void swiglu_backward_cpu(const at::Tensor& grad_NI, const at::Tensor& gate_up_N2I, const at::Tensor& grad_gate_up_N2I,
                         const at::Tensor& y_NI) {
  const auto run = y_NI.scalar_type() == at::kDouble ? backward_rows<double> : backward_rows<float>;
  run(grad_NI, gate_up_N2I, grad_gate_up_N2I, y_NI);
}

at::Tensor swiglu(const at::Tensor& gate_up_N2I) {
  if (runs_kernels(gate_up_N2I)) return swiglu_device(gate_up_N2I);
  if (has_cpu_kernel(gate_up_N2I)) return Swiglu::apply(gate_up_N2I);
  return swiglu_composed(gate_up_N2I);
}

at::Tensor swiglu_composed(const at::Tensor& gate_up_N2I) {
  auto halves = gate_up_N2I.chunk(2, -1);
  return at::silu(halves[0]) * halves[1];
}

}  // namespace papo
