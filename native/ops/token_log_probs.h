// The language head fused with what training reads from it: logits exist for one chunk of rows at a time.
#pragma once

#include "ops/param.h"

namespace papo {

struct TokenScores {
  at::Tensor log_probs_N;  // log p(target), natural, of logits / temperature; float32 (float64 models: float64)
  at::Tensor entropy_N;    // -sum_v p ln p; undefined unless asked for
};

struct HeadOptions {
  double temperature = 1.0;  // divides the logits
  bool with_entropy = false;
  int64_t chunk_bytes = int64_t{128} << 20;  // of float32 logits that exist at a time; 16 rows at least
};

// hidden_ND against head_VD: scores of targets_N (int64). Differentiable in hidden and head; logits are formed again
// in the backward pass, chunk by chunk. Throws E_NONFINITE with the row when a logit is nan or +inf.
TokenScores token_log_probs(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                            const HeadOptions& options);

// The same from at:: operations over all rows at once, gradients left to autograd.
TokenScores token_log_probs_composed(const at::Tensor& hidden_ND, const at::Tensor& head_VD,
                                     const at::Tensor& targets_N, double temperature);

}  // namespace papo
