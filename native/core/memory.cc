#include "core/memory.h"

#include "core/device.h"
#ifdef PAPO_CUDA
#include <cuda_runtime.h>

#include "core/torch_compat.h"
#endif

#include <fstream>
#include <limits>
#include <string>

namespace papo {

int64_t available_memory() {
#ifdef PAPO_TESTING
  if (pretended_memory > 0) return pretended_memory;
#endif
#ifdef PAPO_CUDA
  if (current_device == Device::kCuda) {
    size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) return std::numeric_limits<int64_t>::max();
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(c10::cuda::current_device());
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    const auto unused = stats.reserved_bytes[all].current - stats.allocated_bytes[all].current;
    return (static_cast<int64_t>(free) + unused) / 10 * 9;
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
