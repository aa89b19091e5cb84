// KL divergence over the whole vocabulary between the predictions of two hidden states; logits exist for a chunk of
// rows at a time.
#pragma once

#include "ops/param.h"

namespace papo {

struct HeadInput {
  at::Tensor hidden_ND;
  Param head;  // [V, D]
};

struct KlOptions {
  double temperature = 1.0;                  // divides both logits
  int64_t chunk_bytes = int64_t{128} << 20;  // of logits that exist at a time; 16 rows at least
};

// KL(p || q) of each row, p and q the softmax of their logits / temperature -> [N] float32 (float64 models: float64).
// Differentiable in both, whose logits are formed again in the backward pass. Throws E_NONFINITE with the row when a
// logit is nan or +inf.
at::Tensor kl_divergence(const HeadInput& p, const HeadInput& q, const KlOptions& options);

// The same from at:: operations over all rows at once, gradients left to autograd.
at::Tensor kl_divergence_composed(const at::Tensor& p_hidden_ND, const at::Tensor& p_head_VD,
                                  const at::Tensor& q_hidden_ND, const at::Tensor& q_head_VD, double temperature);

// What a chunk of rows leaves for its backward pass, [C] each.
struct KlRows {
  at::Tensor kl, lse_p, lse_q;
  KlRows narrow(int64_t begin, int64_t count) const {
    return {kl.narrow(0, begin, count), lse_p.narrow(0, begin, count), lse_q.narrow(0, begin, count)};
  }
};

// By the kernels of a device, of logits [C, V]. bad_row int32 [1] becomes the smallest row, counted from first_row,
// whose logits are not finite.
void kl_rows_device(const at::Tensor& p_CV, const at::Tensor& q_CV, double temperature, const KlRows& out,
                    const at::Tensor& bad_row, int64_t first_row);
// Writes the gradients of the logits over them; without q_grad q_CV stays.
void kl_rows_backward_device_(const at::Tensor& p_CV, const at::Tensor& q_CV, bool q_grad, double temperature,
                              const KlRows& saved, const at::Tensor& grad_kl_C);

}  // namespace papo
