#include "core/device.h"

#include "core/error.h"

namespace papo {
namespace {

void check_not_recorded(const char* op) {
  check(!recording, op, "recorded work copies between the host and the device", "E_CUDA");
}

}  // namespace

Device parse_device(const std::string& name, const char* op) {
  if (name == "cpu") return Device::kCpu;
  if (name == "cuda") {
    check(kBuiltWithCuda, op, "device: expected cpu, got cuda, which this build of papo does not have", "E_CUDA");
    check(at::hasCUDA(), op, "device: expected cpu, got cuda, but libtorch finds no CUDA device", "E_CUDA");
    return Device::kCuda;
  }
  if (name == "emulated") {
    check(kBuiltWithEmulation, op, "device: emulated exists only in builds with PAPO_TESTING and without CUDA",
          "E_CUDA");
    return Device::kEmulated;
  }
  throw Error("E_VALUE", op, "device: expected cpu or cuda, got " + name);
}

// Backward passes run on the calling thread: where a call can be stopped, its FLOP counts and its device are kept for
// each thread, and libtorch has threads of its own for other devices.
DeviceScope::DeviceScope(Device device)
    : before_(current_device), threaded_before_(c10::AutogradState::get_tls_state().get_multithreading_enabled()) {
  current_device = device;
  if (device != Device::kCpu) c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
}

DeviceScope::~DeviceScope() {
  current_device = before_;
  c10::AutogradState::get_tls_state().set_multithreading_enabled(threaded_before_);
}

at::Device tensor_device() { return current_device == Device::kCuda ? at::kCUDA : at::kCPU; }

// From pinned memory, which libtorch does not hand out again before a copy has ended.
at::Tensor to_device(const at::Tensor& host) {
  check_not_recorded("to_device");
  if (current_device != Device::kCuda) return host;
  return host.pin_memory().to(at::kCUDA, host.scalar_type(), /*non_blocking=*/true);
}

void copy_to_device_(const at::Tensor& device, const at::Tensor& host) {
  check_not_recorded("copy_to_device_");
  device.copy_(current_device == Device::kCuda ? host.pin_memory() : host, /*non_blocking=*/true);
}

at::Tensor to_host(const at::Tensor& device) {
  check_not_recorded("to_host");
  ++num_host_waits;
  return device.to(at::kCPU);
}

void wait_for_device() {
#ifdef PAPO_CUDA
  if (current_device == Device::kCuda) c10::cuda::getCurrentCUDAStream().synchronize();
#endif
}

}  // namespace papo
