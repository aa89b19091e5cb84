// An op in both of its forms, the kernel's and the composed one, run on the same random numbers.
#pragma once

#include "core/device.h"
#include "ops/param.h"

namespace papo {

using Named = std::vector<std::pair<std::string, at::Tensor>>;
using Differences = std::vector<std::pair<std::string, double>>;

struct OpPair {
  Named inputs;   // their gradients come by autograd
  Named weights;  // the kernel adds their gradients to Param::grad
  bool trained = true;
  bool gradient_in_forward = false;  // the backward pass only hands over what the forward pass has formed
  double kept_bytes = 0;             // what a run reads or writes beside inputs, weights, outputs and their gradients
  std::function<Named(const std::vector<at::Tensor>& inputs, const std::vector<Param>& weights)> kernel;
  std::function<Named(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& weights)> composed;
  std::function<Differences()> check;  // in place of `compare`, where runs change a state or are random
};

// What `compare` takes for the gradient of an output: a fixed wave, which reaches each element of each gradient.
at::Tensor upstream_of(const at::Tensor& output);
std::vector<at::Tensor> leaves(const Named& tensors);  // copies that need a gradient
// Copies with gradients of 1 where `trained`: a kernel has to add to what is there.
std::vector<Param> params_of(const Named& weights, bool trained);

// Largest |difference| over the largest |expected|; infinite when one side holds a nan.
double relative_difference(const at::Tensor& actual, const at::Tensor& expected);

// Runs both forms forward and backward and compares outputs, by name, and gradients, `grad <name>`. The kernel runs
// twice on weight gradients that begin at 1: it has to add to what is there.
Differences compare(const OpPair& op);

// What the op is run on.
struct OpSpec {
  at::ScalarType dtype = at::kFloat;
  uint64_t seed = 0;
  Device device = Device::kCpu;
  std::function<double(const char* name)> number;  // a size or a setting; throws when absent
  std::vector<std::vector<int64_t>> groups;        // attention: [prompt rows, response rows ...] each
  std::vector<int64_t> full_blocks;                // attention: rows that all see each other

  int64_t size(const char* name) const { return static_cast<int64_t>(number(name)); }
};

// An op of op_pairs.cc or stateful_pairs.cc by its name, on random numbers.
OpPair make_op(const std::string& name, const OpSpec& spec);
Differences compare_op(const std::string& name, const OpSpec& spec);

}  // namespace papo
