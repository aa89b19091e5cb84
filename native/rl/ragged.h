// Packed response tokens: the map from tokens to their responses, and moves between the two.
#pragma once

#include <vector>

#include "core/torch_compat.h"

namespace papo {

struct Ragged {
  // lengths may hold 0; E_VALUE for a negative one.
  Ragged(const std::vector<int64_t>& lengths, at::Device device);

  std::vector<int64_t> lengths;
  int64_t num_tokens;
  at::Tensor response_R;  // [R] int64, index of each token's response
};

// [R] each token gets its response's number, in the dtype and on the device of like_R.
at::Tensor spread(const std::vector<double>& per_response, const Ragged& ragged, const at::Tensor& like_R);

// [number of responses] sums over the tokens of each response; 0 for an empty one. Differentiable.
at::Tensor sum_per_response(const at::Tensor& values_R, const Ragged& ragged);

// [R] each token gets its response's mean of values_R. Differentiable.
at::Tensor mean_per_response_R(const at::Tensor& values_R, const Ragged& ragged);

std::vector<double> to_doubles(const at::Tensor& values);

}  // namespace papo
