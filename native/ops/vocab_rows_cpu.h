// Loops over rows of logits on the CPU, float32 and float64: each element is read once a pass, whatever the vocabulary.
#pragma once

#include "core/torch_compat.h"

namespace papo {

// Running softmax of rows whose logits come in tiles of the vocabulary: with z = logit / temperature, the largest z so
// far, the sums of e^(z - top) and of e^(z - top) (z - top), and the target's z.
struct RowSoftmax {
  at::Tensor top_N, sum_N, weighted_N, target_N;  // weighted_N is undefined when no entropy is wanted
  at::Tensor bad_N;                               // bool: a logit was nan or +inf

  RowSoftmax(int64_t rows, const at::TensorOptions& options, bool with_entropy);
  // Takes logits_NV of the tokens from first_token on; targets_N are int64 token ids.
  void add(const at::Tensor& logits_NV, int64_t first_token, const at::Tensor& targets_N, double temperature);
  at::Tensor lse() const;        // [N] log sum e^z
  at::Tensor log_probs() const;  // [N]
  at::Tensor entropy() const;    // [N] -sum p ln p; a probability of 0 adds nothing
  // Throws E_NONFINITE with the row (counted from first_row) of the first bad one, or of one without a finite logit.
  void check_finite(int64_t first_row = 0) const;
};

// Upstream gradients and what the forward pass left, [N] each.
struct SoftmaxGradInputs {
  at::Tensor lse_N, targets_N;
  at::Tensor log_prob_grad_N;            // undefined: none
  at::Tensor entropy_N, entropy_grad_N;  // undefined: none
};

// Turns logits_NV (tokens from first_token on) into the gradient of the logits, in place:
// (g_log_prob (1[target] - p) - g_entropy p (ln p + H)) / temperature.
void softmax_backward_(const at::Tensor& logits_NV, int64_t first_token, const SoftmaxGradInputs& inputs,
                       double temperature);

}  // namespace papo
