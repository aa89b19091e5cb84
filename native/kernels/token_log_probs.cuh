// Scores of given tokens from a chunk of the language head's logits: log-probs and entropies in one reading of the
// chunk, their gradient written over it. T is float or __nv_bfloat16; the products with the head are not here.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

struct TokenScores {
  float* log_prob_C;  // log p(target), natural
  float* lse_C;       // log sum exp of logits * inverse_temperature
  float* entropy_C;   // -sum_v p ln p, 0 * -inf counted as 0; null: not wanted
  int* bad_row;       // becomes min(bad_row, first_row + row) over rows whose lse is not finite
};

// logits_CV, rows contiguous at any alignment; target_C in [0, V). first_row is the chunk's place among all rows. One
// block of up to 512 threads a row, at most 64 registers. No rows are no launch.
template <class T>
cudaError_t token_log_probs(const T* logits_CV, const int64_t* target_C, float inverse_temperature,
                            const TokenScores& scores, int64_t first_row, int64_t rows, int vocab, cudaStream_t stream);

struct TokenScoreGrads {
  const float* log_prob_C;  // gradients of the two scores; a null one is zero
  const float* entropy_C;
};

// Writes d logits over logits_CV: inverse_temperature * (g_log_prob (1[target] - p) - g_entropy p (ln p + H)), with
// lse_C and, where entropy has a gradient, entropy_C (H) of the forward pass.
template <class T>
cudaError_t token_log_probs_backward_(T* logits_CV, const int64_t* target_C, float inverse_temperature,
                                      const float* lse_C, const float* entropy_C, const TokenScoreGrads& grads,
                                      int64_t rows, int vocab, cudaStream_t stream);

KernelCost token_log_probs_cost(int64_t rows, int vocab, int element_bytes);
KernelCost token_log_probs_backward_cost(int64_t rows, int vocab, int element_bytes);

}  // namespace papo::kernels
