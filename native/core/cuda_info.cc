#include "core/cuda_info.h"

#ifdef PAPO_CUDA
#include <cuda_runtime.h>
#endif

namespace papo {

std::optional<CudaInfo> cuda_info() {
#ifdef PAPO_CUDA
  CudaInfo info{CUDART_VERSION, 0, 0, {}, {}};
  cudaDriverGetVersion(&info.driver);
  const cudaError_t error = cudaGetDeviceCount(&info.num_devices);
  if (error != cudaSuccess) {
    info.num_devices = 0;
    info.problem = info.driver == 0 ? "no NVIDIA driver is installed" : cudaGetErrorString(error);
    cudaGetLastError();  // the error is told here and not to the next call
  } else if (info.num_devices == 0) {
    info.problem = "the driver sees no GPU";
  } else if (cudaDeviceProp device; cudaGetDeviceProperties(&device, 0) == cudaSuccess) {
    info.device = device.name;
  }
  return info;
#else
  return std::nullopt;
#endif
}

}  // namespace papo
