#pragma once

#include <cstdint>

namespace papo {

// Bytes that the current device has left: of main memory nine tenths of what can be had without swapping, all there are
// where the system does not say; of a GPU nine tenths of what its driver calls free.
int64_t available_memory();

}  // namespace papo
