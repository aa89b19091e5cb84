// Walking the rows of a layer block by block, so that what lies between its products stays in the cache.
#pragma once

#include "core/torch_compat.h"

namespace papo {

// Rows that a forward block takes: what is made of them fits the caches of a few cores, and a weight is read once for
// enough of them. A backward block is longer, because each adds to the whole of the weights' gradients.
inline constexpr int64_t kForwardRows = 512, kBackwardRows = 1024;

// Calls use(begin, count) for blocks of [0, rows).
template <class Use>
void for_row_blocks(int64_t rows, int64_t block, const Use& use) {
  for (int64_t begin = 0; begin < rows; begin += block) use(begin, std::min(block, rows - begin));
}

}  // namespace papo
