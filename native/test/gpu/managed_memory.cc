#include "test/gpu/managed_memory.h"

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

namespace papo::test {
namespace {

// Pages are the device's and the host's alike only where touched, so that the size costs nothing.
constexpr size_t kArenaBytes = size_t{4} << 30;
constexpr size_t kAlignment = 256;  // cudaMalloc's

// Blocks one after the other; all of it is free again when the last one is, as after every case.
struct Arena {
  char* begin = nullptr;
  size_t used = 0, live = 0;
  std::mutex mutex;

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex);
    const size_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (whole > kArenaBytes - used) throw std::bad_alloc();
    void* block = begin + used;
    used += whole;
    ++live;
    return block;
  }
  bool owns(const void* block) const {
    const char* at = static_cast<const char*>(block);
    return begin != nullptr && at >= begin && at < begin + kArenaBytes;
  }
  void give_back() {
    const std::lock_guard lock(mutex);
    if (--live == 0) used = 0;
  }
};

// Never destroyed: static objects are freed after it would be.
Arena& arena() {
  alignas(Arena) static char memory[sizeof(Arena)];
  static Arena* const made = new (memory) Arena;
  return *made;
}

}  // namespace

const char* begin_managed_memory() {
  void* memory = nullptr;
  const cudaError_t error = cudaMallocManaged(&memory, kArenaBytes);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  arena().begin = static_cast<char*>(memory);
  return nullptr;
}

}  // namespace papo::test

// One byte at least, so that no two blocks have one address.
void* operator new(size_t bytes) {
  auto& arena = papo::test::arena();
  if (bytes == 0) bytes = 1;
  if (arena.begin != nullptr) return arena.take(bytes);
  if (void* block = std::malloc(bytes)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept {
  auto& arena = papo::test::arena();
  if (arena.owns(block))
    arena.give_back();
  else
    std::free(block);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }
