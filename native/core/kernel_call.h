// What the *_device.cc files share: tensors as the launchers of kernels/ take them.
#pragma once

#ifdef PAPO_TESTING
#include <map>
#endif

#include "core/device.h"
#include "core/error.h"
#include "kernels/platform.cuh"

namespace papo {

// libtorch's current stream on x's device; null where kernels are emulated.
inline cudaStream_t kernel_stream(const at::Tensor& x) {
#ifdef PAPO_CUDA
  return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
#else
  return nullptr;
#endif
}

#ifdef PAPO_TESTING
// By `op`; so that a test can tell a kernel's result from that of a way around it.
inline thread_local std::map<std::string, int64_t> kernel_launches;

// Told of each tensor whose data a kernel takes; so that replayed work can be checked (core/device_graph.h).
inline thread_local std::function<void(const at::Tensor&)> watch_kernel_data;
#endif

// E_CUDA when a launch failed. `op` is the launcher's name.
inline void launched(cudaError_t error, const char* op) {
#ifdef PAPO_TESTING
  ++kernel_launches[op];
#endif
  if (error != cudaSuccess) throw Error("E_CUDA", op, cudaGetErrorString(error));
}

// The data of a contiguous tensor as T of the kernels: float, double, int32_t, int64_t, uint8_t or __nv_bfloat16. Null
// for an undefined tensor.
template <class T>
T* kernel_data(const at::Tensor& x) {
  if (!x.defined()) return nullptr;
#ifdef PAPO_TESTING
  if (watch_kernel_data) watch_kernel_data(x);
#endif
  if constexpr (std::is_same_v<T, __nv_bfloat16>)
    return reinterpret_cast<T*>(x.data_ptr<at::BFloat16>());
  else
    return x.data_ptr<T>();
}

// Calls use(T{}) with the kernels' type of a float32 or bfloat16 tensor.
template <class Use>
auto by_kernel_type(const at::Tensor& x, const Use& use) {
  if (x.scalar_type() == at::kBFloat16) return use(__nv_bfloat16{});
  check(x.scalar_type() == at::kFloat, "kernel", "takes float32 or bfloat16", "E_DTYPE");
  return use(float{});
}

}  // namespace papo
