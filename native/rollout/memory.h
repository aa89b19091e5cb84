#pragma once

#include <cstdint>

namespace papo {

// Bytes that can be allocated without swapping, nine tenths of what the system reports; all there are where it does
// not.
int64_t available_memory();

}  // namespace papo
