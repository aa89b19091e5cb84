#include "rl/ragged.h"

#include "core/error.h"

namespace papo {

Ragged::Ragged(const std::vector<int64_t>& lengths, at::Device device) : lengths(lengths), num_tokens(0) {
  for (int64_t length : lengths) {
    check(length >= 0, "ragged", "response lengths: expected 0 or more, got " + std::to_string(length), "E_VALUE");
    num_tokens += length;
  }
  const auto count = static_cast<int64_t>(lengths.size());
  const at::Tensor lengths_tensor = at::tensor(lengths, at::TensorOptions(at::kLong));
  response_R = at::repeat_interleave(at::arange(count, at::TensorOptions(at::kLong)), lengths_tensor).to(device);
}

at::Tensor spread(const std::vector<double>& per_response, const Ragged& ragged, const at::Tensor& like_R) {
  const at::Tensor numbers = at::tensor(per_response, at::TensorOptions(at::kDouble)).to(like_R.device());
  return numbers.index_select(0, ragged.response_R).to(like_R.scalar_type());
}

at::Tensor sum_per_response(const at::Tensor& values_R, const Ragged& ragged) {
  const auto count = static_cast<int64_t>(ragged.lengths.size());
  return at::zeros({count}, values_R.options()).index_add(0, ragged.response_R, values_R);
}

at::Tensor mean_per_response_R(const at::Tensor& values_R, const Ragged& ragged) {
  const std::vector<double> counts(ragged.lengths.begin(), ragged.lengths.end());
  const at::Tensor sums_R = sum_per_response(values_R, ragged).index_select(0, ragged.response_R);
  return sums_R / spread(counts, ragged, values_R);
}

std::vector<double> to_doubles(const at::Tensor& values) {
  const at::Tensor cpu = values.detach().to(at::kCPU, at::kDouble).contiguous();
  return {cpu.data_ptr<double>(), cpu.data_ptr<double>() + cpu.numel()};
}

}  // namespace papo
