// Times of an op in both of its forms.
#pragma once

#include "test/compare.h"

namespace papo {

// A part of an op, once.
struct OpPart {
  std::string name;                  // forward, backward, or both where the gradient is formed in the forward pass
  double seconds, composed_seconds;  // medians
  double flops;                      // as the kernel counts them (core/flops.h); 0 for elementwise work
  double bytes;                      // of what it must read and write: inputs, weights, outputs and gradients
};
struct OpBench {
  Differences differences;
  std::vector<OpPart> parts;
};

// Compares the two forms, then runs each for `seconds`, three times or more.
OpBench bench_op(const std::string& name, const OpSpec& spec, double seconds);

}  // namespace papo
