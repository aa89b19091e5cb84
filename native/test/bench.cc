#include "test/bench.h"

#include <chrono>

#include "core/cancel.h"
#include "core/device.h"
#include "core/flops.h"

namespace papo {
namespace {

constexpr int kFewestRuns = 3;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

double bytes_of(const at::Tensor& tensor) {
  return static_cast<double>(tensor.numel()) * static_cast<double>(tensor.element_size());
}
double bytes_of(const Named& tensors) {
  double bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += bytes_of(tensor);
  return bytes;
}

// What runs of a form have taken; the first run of all is not measured.
struct Runs {
  std::vector<double> forward, backward, both;
  FlopCounts forward_flops{}, backward_flops{};  // of one run
  double output_bytes = 0;
  bool has_backward = false;
};

Runs time_runs(const std::function<Named()>& run, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto between = [](Clock::time_point a, Clock::time_point b) {
    return std::chrono::duration<double>(b - a).count();
  };
  const auto now = [] {
    wait_for_device();
    return Clock::now();
  };
  Runs runs;
  const auto begin = Clock::now();
  for (int count = 0; count <= kFewestRuns || between(begin, Clock::now()) < seconds; ++count) {
    poll_cancel();
    take_flops();
    const auto start = now();
    const auto outputs = run();
    const auto middle = now();
    runs.forward_flops = take_flops();
    runs.output_bytes = bytes_of(outputs);
    std::vector<at::Tensor> tensors, upstream;
    for (const auto& [name, output] : outputs) {
      if (!output.requires_grad()) continue;
      tensors.push_back(output);
      upstream.push_back(upstream_of(output));
    }
    runs.has_backward = !tensors.empty();
    const auto again = now();
    if (runs.has_backward) torch::autograd::backward(tensors, upstream);
    const auto end = now();
    runs.backward_flops = take_flops();
    if (count == 0) continue;
    runs.forward.push_back(between(start, middle));
    runs.backward.push_back(between(again, end));
    runs.both.push_back(runs.forward.back() + runs.backward.back());
  }
  return runs;
}

double total(const FlopCounts& counts) { return std::accumulate(counts.begin(), counts.end(), 0.0); }

}  // namespace

OpBench bench_op(const std::string& name, const OpSpec& spec, double seconds) {
  const auto op = make_op(name, spec);
  const auto counted = flop_counts;
  OpBench out{op.check ? op.check() : compare(op), {}};
  at::AutoGradMode with_grad(true);
  const auto inputs = leaves(op.inputs);
  const auto kernel = [&] {
    const auto params = params_of(op.weights, op.trained);
    return time_runs([&] { return op.kernel(inputs, params); }, seconds);
  }();
  const auto composed = [&] {
    const auto composed_inputs = leaves(op.inputs), weights = leaves(op.weights);
    return time_runs([&] { return op.composed(composed_inputs, weights); }, seconds);
  }();
  flop_counts = counted;
  const double in = bytes_of(op.inputs), weights = bytes_of(op.weights), result = kernel.output_bytes;
  const double forward_bytes = in + weights + result + op.kept_bytes;
  // Inputs and weights are read again; gradients of outputs are read, of inputs written, of weights added to.
  const double backward_bytes = 2 * in + weights + result + (op.trained ? 2 * weights : 0);
  const double forward_flops = total(kernel.forward_flops), backward_flops = total(kernel.backward_flops);
  if (op.gradient_in_forward) {
    out.parts.push_back({"both", median(kernel.both), median(composed.both), forward_flops + backward_flops,
                         in + weights + result + in + 2 * weights});
    return out;
  }
  out.parts.push_back({"forward", median(kernel.forward), median(composed.forward), forward_flops, forward_bytes});
  if (kernel.has_backward)
    out.parts.push_back(
        {"backward", median(kernel.backward), median(composed.backward), backward_flops, backward_bytes});
  return out;
}

}  // namespace papo
