// What online softmaxes share: sums are kept relative to the largest logit so far ("top"), because differences to it
// are small where probabilities are not, while the logits themselves may be large and their rounding with them.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// What to subtract from logits whose maximum is `top`: with nothing but -inf, 0, so that all exponentials are 0.
PAPO_DEVICE float finite_base(float top) { return top == -INFINITY ? 0.0f : top; }

// weight * value where a weight of 0 takes part with 0 even of an infinite value; nan stays.
PAPO_DEVICE float weighted_term(float weight, float value) { return weight == 0.0f ? 0.0f : weight * value; }

}  // namespace papo::kernels
