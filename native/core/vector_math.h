#pragma once

namespace papo {

// Calls libtorch's vector mathematics once on one thread. MKL chooses the code of each function at its first call, and
// of several threads that make it together some can run the low-accuracy one: seen once in some 500 processes,
// entropies off by 3e-5. To be called before any parallel work.
void settle_vector_math();

}  // namespace papo
