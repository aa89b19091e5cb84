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

struct SampledToken {
  int64_t id;
  float log_prob;
};

// Draws from softmax(logits / temperature) cut to top-k, then to top-p of what is left, forbidden ids left out; ties at
// the cut are kept. logits_V is used as work space and must hold a whole number of vectors (core/vec.h). The draw is a
// function of (stream, position). The log-prob is that of training: of the whole softmax(logits / temperature),
// forbidden ids and cut tokens included; at temperature 0 of softmax(logits). Throws E_NONFINITE when no allowed logit
// is finite or one is nan.
// No sort: a token drawn from the full distribution is accepted when it lies inside the cut, which is the same
// distribution; after many rejections the cut is computed.
SampledToken sample_token(float* logits_V, int64_t vocab, const SamplingSpec& spec,
                          const std::vector<int64_t>& forbidden_ids, const RandomStream& stream, uint64_t position);

}  // namespace papo
