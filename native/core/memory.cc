#include "core/memory.h"

#include "core/device.h"
#ifdef PAPO_CUDA
#include <cuda_runtime.h>
#endif

#include <fstream>
#include <limits>
#include <string>

namespace papo {

int64_t available_memory() {
#ifdef PAPO_CUDA
  if (current_device == Device::kCuda) {
    size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) return std::numeric_limits<int64_t>::max();
    return static_cast<int64_t>(free / 10 * 9);
  }
#endif
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  int64_t kibibytes = 0;
  while (file >> name >> kibibytes && std::getline(file, unit))
    if (name == "MemAvailable:") return kibibytes * 1024 / 10 * 9;
  return std::numeric_limits<int64_t>::max();
}

}  // namespace papo
