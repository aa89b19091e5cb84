// The language head fused with what training reads from it: logits exist for a tile of the vocabulary at a time, or for
// a chunk of rows.
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
  int64_t tile_bytes = int64_t{6} << 20;     // of logits that exist at a time in token_log_probs; 16 columns at least
  int64_t chunk_bytes = int64_t{224} << 20;  // likewise in head_gradient; 16 rows at least
};

// hidden_ND against head_VD: scores of targets_N (int64). Differentiable in hidden and head; logits are formed again
// in the backward pass, tile by tile. Throws E_NONFINITE with the row when a logit is nan or +inf.
TokenScores token_log_probs(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                            const HeadOptions& options);

// Gradient of a loss by the log-probs of rows [begin, begin + log_probs_C.size(0)), given those.
using LogProbGradient = std::function<at::Tensor(const at::Tensor& log_probs_C, int64_t begin)>;

// The log-probs, and the gradient of a loss that falls apart into one function of each log-prob: it is formed while the
// logits of a chunk of rows are there, so they are formed once (three products instead of four). The head's gradient
// is added where it is kept. Without autograd.
struct HeadGradient {
  at::Tensor log_probs_N, grad_hidden_ND;
};
HeadGradient head_gradient(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                           const HeadOptions& options, const LogProbGradient& loss_gradient);

// The same by the kernels of a device, chunks of rows at a time: float32 and bfloat16.
TokenScores token_log_probs_device(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                                   const HeadOptions& options);
HeadGradient head_gradient_device(const at::Tensor& hidden_ND, const Param& head, const at::Tensor& targets_N,
                                  const HeadOptions& options, const LogProbGradient& loss_gradient);

// token_log_probs from at:: operations over all rows at once, gradients left to autograd.
TokenScores token_log_probs_composed(const at::Tensor& hidden_ND, const at::Tensor& head_VD,
                                     const at::Tensor& targets_N, double temperature);

}  // namespace papo
