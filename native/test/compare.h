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
  std::function<Named(const std::vector<at::Tensor>& inputs, const std::vector<Param>& weights)> kernel;
  std::function<Named(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& weights)> composed;
};

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

// rms_norm, swiglu, rope, linear, row_linear, embedding, token_log_probs or group_attention.
Differences compare_op(const std::string& name, const OpSpec& spec);

}  // namespace papo
