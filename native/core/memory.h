// Memory of tensors: how much there is, and how much was taken at a time.
#pragma once

#include <cstdint>
#include <optional>

namespace papo {

// Bytes that the current device has left for tensors: of main memory nine tenths of what can be had without swapping,
// all there are where the system does not say; of a GPU nine tenths of what its driver and libtorch's cache have free.
// No more than the limit leaves.
int64_t available_memory();

// Bytes that tensors on the current device take now.
int64_t tensor_memory();

// The most bytes that tensors may take together; nullopt: what the device has. Of the whole process.
void set_memory_limit(std::optional<int64_t> bytes);

// Counts every tensor in main memory from now on, whatever thread makes or frees it, at the size that malloc gave it.
// What oneDNN and MKL take for themselves is not in it.
void count_tensor_memory();

struct MemoryPeak {
  int64_t main = 0, gpu = 0;
};
// The most bytes that tensors have taken at a time since the last call, whose count begins at what they take now.
MemoryPeak take_memory_peak();

#ifdef PAPO_TESTING
// What available_memory() says on this thread instead, above 0.
inline thread_local int64_t pretended_memory = 0;
#endif

}  // namespace papo
