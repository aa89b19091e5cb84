#include "test/compare.h"

namespace papo {
namespace {

// The sum of every output weighted by its wave.
void backward(const Named& outputs) {
  std::vector<at::Tensor> tensors, upstream;
  for (const auto& [name, output] : outputs) {
    if (!output.requires_grad()) continue;  // nothing of it is trained
    tensors.push_back(output);
    upstream.push_back(upstream_of(output));
  }
  if (!tensors.empty()) torch::autograd::backward(tensors, upstream);
}

at::Tensor grad_or_zeros(const at::Tensor& leaf) { return leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf); }

}  // namespace

at::Tensor upstream_of(const at::Tensor& output) {
  return at::arange(output.numel(), at::kDouble)
      .add_(1)
      .cos_()
      .view(output.sizes())
      .to(output.device(), output.scalar_type());
}

std::vector<at::Tensor> leaves(const Named& tensors) {
  std::vector<at::Tensor> out;
  for (const auto& [name, tensor] : tensors) out.push_back(tensor.detach().clone().set_requires_grad(true));
  return out;
}

std::vector<Param> params_of(const Named& weights, bool trained) {
  std::vector<Param> out;
  for (const auto& [name, value] : weights) {
    Param param{value.detach().clone(), at::Tensor()};
    if (trained) {
      param.value.set_requires_grad(true);
      param.grad =
          at::ones(value.sizes(), value.options().dtype(value.scalar_type() == at::kDouble ? at::kDouble : at::kFloat));
    }
    out.push_back(param);
  }
  return out;
}

double relative_difference(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  if (actual.numel() == 0) return 0;
  const auto wide = expected.detach().to(at::kDouble);
  const double largest = (actual.detach().to(at::kDouble) - wide).abs().max().item<double>();
  const double scale = std::max(wide.abs().max().item<double>(), 1e-30);
  return std::isfinite(largest / scale) ? largest / scale : std::numeric_limits<double>::infinity();
}

Differences compare(const OpPair& op) {
  at::AutoGradMode with_grad(true);
  const auto inputs = leaves(op.inputs), composed_inputs = leaves(op.inputs), composed_weights = leaves(op.weights);
  const auto params = params_of(op.weights, op.trained);
  const auto expected = op.composed(composed_inputs, composed_weights);
  backward(expected);
  backward(op.kernel(inputs, params));
  const auto actual = op.kernel(inputs, params);
  backward(actual);

  Differences out;
  for (size_t i = 0; i < expected.size(); ++i)
    out.emplace_back(expected[i].first, relative_difference(actual[i].second, expected[i].second));
  for (size_t i = 0; i < inputs.size(); ++i)
    out.emplace_back("grad " + op.inputs[i].first,
                     relative_difference(grad_or_zeros(inputs[i]), 2 * grad_or_zeros(composed_inputs[i])));
  for (size_t i = 0; op.trained && i < params.size(); ++i)
    out.emplace_back("grad " + op.weights[i].first,
                     relative_difference(params[i].grad - 1, 2 * grad_or_zeros(composed_weights[i])));
  return out;
}

}  // namespace papo
