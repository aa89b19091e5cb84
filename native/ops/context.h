// A C++ value kept in an autograd context beside its tensors.
#pragma once

#include "core/device.h"

namespace papo {

template <class T>
struct Held : torch::CustomClassHolder {
  explicit Held(T value) : value(std::move(value)) {}
  T value;
};

template <class T>
void hold(torch::autograd::AutogradContext* ctx, T value) {
  ctx->saved_data["held"] = c10::IValue::make_capsule(c10::make_intrusive<Held<T>>(std::move(value)));
}

template <class T>
T& held(torch::autograd::AutogradContext* ctx) {
  return static_cast<Held<T>&>(*ctx->saved_data["held"].toCapsule()).value;
}

// Whether the hand-written CPU loops take x; what neither they nor a device's kernels take goes through at::
// operations.
inline bool has_cpu_kernel(const at::Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && !runs_kernels(x);
}

}  // namespace papo
