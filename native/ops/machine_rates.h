// What the current device can do at best, to hold measured times against.
#pragma once

namespace papo {

// FLOP/s of a float32 product of 1024 x 1024 x 1024 on all threads, the best of some tenth of a second; on CUDA of a
// bfloat16 one of 8192 x 8192 x 8192. It is not counted (core/flops.h).
double product_rate();

// Bytes/s that all threads read from memory, the best pass over 256 MiB of some tenth of a second; on CUDA those read
// and written by a copy of 1 GiB.
double memory_rate();

}  // namespace papo
