#pragma once

#include <cstdint>

namespace papo {

// Bytes that the current device has left: of main memory nine tenths of what can be had without swapping, all there are
// where the system does not say; of a GPU nine tenths of what its driver calls free and libtorch keeps unused.
int64_t available_memory();

#ifdef PAPO_TESTING
// What available_memory() says on this thread instead, above 0.
inline thread_local int64_t pretended_memory = 0;
#endif

}  // namespace papo
