// What this machine can do at best, to hold measured times against.
#pragma once

namespace papo {

// FLOP/s of a float32 product of 1024 x 1024 x 1024 on all threads, the best of some tenth of a second. It is not
// counted (core/flops.h).
double product_rate();

// Bytes/s that all threads read from memory, the best pass over 256 MiB of some tenth of a second.
double memory_rate();

}  // namespace papo
