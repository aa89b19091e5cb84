// Draws one token a row from softmax(logits / temperature) cut to top-k, then to top-p of what is left: the
// distribution and the random numbers of rollout/sampler.cc, one block a row and no sort.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

struct SamplerSpec {
  double temperature = 1.0;                // 0: the likeliest token, the lowest id among equals
  double top_p = 1.0;                      // > 0
  int64_t top_k = 0;                       // 0: all, 1: as temperature 0
  const int32_t* forbidden_ids = nullptr;  // on the device, each id once; others than the vocabulary's are ignored
  int num_forbidden = 0;
};

// Which numbers a row draws: RandomStream's key and stream number, and the token's position in its response.
struct SampleDraw {
  uint64_t key, stream, position;
};

// logits_MV [rows, vocab] float32; those of forbidden ids become -inf. draws_M, tokens_M and log_probs_M [rows].
// log_probs_M: of the token under softmax(logits / temperature) over the whole vocabulary, forbidden ids and cut tokens
// included, as training computes it; at temperature 0 of softmax(logits). A row with nan, +inf or no allowed finite
// logit gives token 0, log-prob nan, and its number in *first_bad_row if that was larger; set it to INT32_MAX before.
// cudaErrorInvalidValue when temperature < 0 or top_p <= 0.
cudaError_t sample_tokens(float* logits_MV, int rows, int vocab, const SampleDraw* draws_M, const SamplerSpec& spec,
                          int64_t* tokens_M, float* log_probs_M, int32_t* first_bad_row, cudaStream_t stream);

// Of draws whose first token is accepted.
KernelCost sample_tokens_cost(int rows, int vocab, const SamplerSpec& spec);

}  // namespace papo::kernels
