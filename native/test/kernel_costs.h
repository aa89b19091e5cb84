#pragma once

#include <functional>
#include <string>
#include <vector>

namespace papo {

struct NamedCost {
  std::string launcher;
  double bytes, flops;
  bool tensor_cores;  // its FLOPs are those of matrix products
};

// What each kernel moves and computes at sizes by name: rows (of a packed pass), hidden, intermediate, heads, kvHeads,
// headSize, vocab, headRows (of a chunk of logits), tokens (of a micro-batch's responses), gridRows, gridCols (of a
// picture's patches), weights (of an optimizer shard), decodeRows, groupRows, promptTokens, ownTokens; bfloat16
// activations, bfloat16 weights with Kahan compensation.
std::vector<NamedCost> kernel_costs(const std::function<double(const char*)>& size);

}  // namespace papo
