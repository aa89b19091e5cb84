#include "core/memory.h"

#include "core/device.h"
#ifdef PAPO_CUDA
#include <cuda_runtime.h>
#endif
#include <malloc.h>

#include <atomic>
#include <fstream>

namespace papo {
namespace {

constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max();

std::atomic<int64_t> live{0}, peak{0}, limit{kUnknown};

void add_live(int64_t bytes) {
  const int64_t now = live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t most = peak.load(std::memory_order_relaxed);
  while (now > most && !peak.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
  }
}

int64_t size_of(void* memory) { return static_cast<int64_t>(malloc_usable_size(memory)); }

// libtorch's allocator for main memory, counted. As its own, the context of what it gives is the memory itself, which
// oneDNN's buffers ask for.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    auto memory = inner()->allocate(bytes);
    if (memory.get() == nullptr) return memory;
    add_live(size_of(memory.get()));
    const auto device = memory.device();
    void* data = memory.release_context();
    return {data, data, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  static c10::Allocator* inner() { return c10::GetDefaultCPUAllocator(); }
  static void release(void* memory) {
    if (memory == nullptr) return;
    live.fetch_sub(size_of(memory), std::memory_order_relaxed);
    inner()->raw_deallocate(memory);
  }
};

int64_t free_main_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  int64_t kibibytes = 0;
  while (file >> name >> kibibytes && std::getline(file, unit))
    if (name == "MemAvailable:") return kibibytes * 1024 / 10 * 9;
  return kUnknown;
}

#ifdef PAPO_CUDA
// Empty before the first tensor of the device.
std::optional<c10::CachingDeviceAllocator::DeviceStats> gpu_stats() {
  if (!at::hasCUDA() || !c10::cuda::CUDACachingAllocator::get()->initialized()) return std::nullopt;
  return c10::cuda::CUDACachingAllocator::getDeviceStats(c10::cuda::current_device());
}

constexpr size_t kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

int64_t free_gpu_memory() {
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return kUnknown;
  const auto stats = gpu_stats();
  const int64_t cached = stats ? stats->reserved_bytes[kAll].current - stats->allocated_bytes[kAll].current : 0;
  return (static_cast<int64_t>(free) + cached) / 10 * 9;
}
#endif

int64_t free_memory() {
#ifdef PAPO_CUDA
  if (current_device == Device::kCuda) return free_gpu_memory();
#endif
  return free_main_memory();
}

}  // namespace

int64_t tensor_memory() {
#ifdef PAPO_CUDA
  if (current_device == Device::kCuda) {
    const auto stats = gpu_stats();
    return stats ? stats->allocated_bytes[kAll].current : 0;
  }
#endif
  return live;
}

int64_t available_memory() {
#ifdef PAPO_TESTING
  if (pretended_memory > 0) return pretended_memory;
#endif
  const int64_t most = limit;
  return most == kUnknown ? free_memory() : std::min(free_memory(), std::max<int64_t>(0, most - tensor_memory()));
}

void set_memory_limit(std::optional<int64_t> bytes) { limit = bytes.value_or(kUnknown); }

void count_tensor_memory() {
  static auto* const allocator = new CountingAllocator;  // tensors may outlive whatever is destroyed at the exit
  c10::SetCPUAllocator(allocator);
}

MemoryPeak take_memory_peak() {
  MemoryPeak out{peak.exchange(live), 0};
#ifdef PAPO_CUDA
  if (const auto stats = gpu_stats()) {
    out.gpu = stats->allocated_bytes[kAll].peak;
    c10::cuda::CUDACachingAllocator::resetPeakStats(c10::cuda::current_device());
  }
#endif
  return out;
}

}  // namespace papo
