// The one place that knows devices. A call on a policy opens a DeviceScope; below it ops ask runs_kernels(x) and no
// more. Ops with kernels have a file *_device.cc, which calls the launchers of kernels/ and is compiled where those
// are: in CUDA builds, and in PAPO_TESTING builds, where they run on the CPU (test/simt).
#pragma once

#include "core/torch_compat.h"

namespace papo {

enum class Device {
  kCpu,
  kCuda,
  kEmulated,  // tensors stay on the CPU and ops take the way that they take on CUDA; PAPO_TESTING builds only
};

#if defined(PAPO_CUDA)
inline constexpr bool kBuiltWithCuda = true, kBuiltWithEmulation = false;
#elif defined(PAPO_TESTING)
inline constexpr bool kBuiltWithCuda = false, kBuiltWithEmulation = true;
#else
inline constexpr bool kBuiltWithCuda = false, kBuiltWithEmulation = false;
#endif

// cpu, cuda or emulated. E_CUDA for one that this build or this machine does not have, E_VALUE for another word.
Device parse_device(const std::string& name, const char* op);

// What the running call works on.
inline thread_local Device current_device = Device::kCpu;

class DeviceScope {
 public:
  explicit DeviceScope(Device device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  const Device before_;
  const bool threaded_before_;
};

// Where tensors of the current device are.
at::Device tensor_device();

// Whether ops take the kernels' way: on tensors of a device that has kernels, of the types that those take.
inline bool runs_kernels(at::ScalarType type) {
  if constexpr (kBuiltWithCuda || kBuiltWithEmulation)
    return current_device != Device::kCpu && (type == at::kFloat || type == at::kBFloat16);
  return false;
}
inline bool runs_kernels(const at::Tensor& x) { return runs_kernels(x.scalar_type()); }

// Set while work is recorded or replayed (core/device_graph.h), in which the host and the device copy nothing.
inline thread_local bool recording = false;

// A tensor of the host on the current device; the host does not wait for the copy.
at::Tensor to_device(const at::Tensor& host);
template <class T>
at::Tensor to_device(const std::vector<T>& values) {
  return to_device(at::tensor(values, at::TensorOptions(c10::CppTypeToScalarType<T>::value)));
}
// Likewise into a tensor of the current device.
void copy_to_device_(const at::Tensor& device, const at::Tensor& host);

// A tensor of the current device on the host, which waits for it.
at::Tensor to_host(const at::Tensor& device);
// Until all that was started on the current device is done.
void wait_for_device();

// How often this thread waited for a tensor.
inline thread_local int64_t num_host_waits = 0;

}  // namespace papo
