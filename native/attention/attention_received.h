// How much attention each row has from the others: what saliency is made of. Forward only.
#pragma once

#include "core/torch_compat.h"

namespace papo {

// For each row i >= first the sum over the other rows j >= first of softmax(q_j k^T * head_size^-0.5)[i], averaged over
// heads: [N - first] float64. Rows before `first` (class and register tokens) take part in the softmax and nothing
// else. q_NHE, k_NHE [N, H, E]; the probabilities of some rows at a time exist, never all.
at::Tensor attention_received(const at::Tensor& q_NHE, const at::Tensor& k_NHE, int64_t first);

}  // namespace papo
