#include "attention/attention_received.h"

#include "core/cancel.h"
#include "core/flops.h"

namespace papo {
namespace {

constexpr int64_t kProbsAPiece = int64_t{1} << 22;  // 16 MiB

}  // namespace

at::Tensor attention_received(const at::Tensor& q_NHE, const at::Tensor& k_NHE, int64_t first) {
  const int64_t num_rows = q_NHE.size(0), num_heads = q_NHE.size(1), head_size = q_NHE.size(2);
  const auto q_HNE = q_NHE.to(at::kFloat).transpose(0, 1) * std::pow(static_cast<double>(head_size), -0.5);
  const auto k_HEN = k_NHE.to(at::kFloat).permute({1, 2, 0}).contiguous();
  const int64_t step = std::max<int64_t>(1, kProbsAPiece / (num_heads * num_rows));
  auto received_N = at::zeros({num_rows}, q_HNE.options().dtype(at::kDouble));
  for (int64_t begin = first; begin < num_rows; begin += step) {
    poll_cancel();
    const int64_t count = std::min(step, num_rows - begin);
    auto probs_HCN = at::softmax(at::matmul(q_HNE.narrow(1, begin, count), k_HEN), -1);
    probs_HCN.diagonal(begin, 1, 2).zero_();  // what a row gives itself
    received_N += probs_HCN.sum({0, 1}, /*keepdim=*/false, at::kDouble);
    count_flops(2.0 * static_cast<double>(num_heads * count * num_rows * head_size));
  }
  return received_N.narrow(0, first, num_rows - first) / static_cast<double>(num_heads);
}

}  // namespace papo
