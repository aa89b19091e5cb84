// Drawing one token from a row of logits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/philox.h"

namespace papo {

struct SamplingSpec {
  double temperature = 1.0;  // 0: the likeliest token, the lowest id among equals
  double top_p = 1.0;        // keeps the smallest set of likeliest tokens with at least this mass
  int64_t top_k = 0;         // keeps the k likeliest tokens; 0: all, 1: as temperature 0
};

// Draws from softmax(logits / temperature) cut to top-k, then to top-p of what is left; ties at the cut are kept.
// logits_V is used as work space and must hold a whole number of vectors (core/vec.h). The draw is a function of
// (stream, position). Throws E_NONFINITE when every logit is -inf or one is nan.
// No sort: a token drawn from the full distribution is accepted when it lies inside the cut, which is the same
// distribution; after many rejections the cut is computed.
int64_t sample_token(float* logits_V, int64_t vocab, const SamplingSpec& spec, const RandomStream& stream,
                     uint64_t position);

}  // namespace papo
