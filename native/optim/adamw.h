// AdamW on a policy's flat buffers, with the gradient norm and its clipping.
#pragma once

#include <atomic>

#include "model/parameter_store.h"

namespace papo {

enum class AdamwStrategy {
  kAdamw,      // float32 moments, and a float32 master copy of weights that are narrower
  kAdamwBf16,  // bfloat16 moments; bfloat16 weights keep what rounding lost in a bfloat16 Kahan buffer
};

struct AdamwSpec {
  AdamwStrategy strategy = AdamwStrategy::kAdamw;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
};

struct StepReport {
  double grad_norm;  // before clipping
  bool skipped;      // the norm was not finite: nothing moved
};

class Adamw {
 public:
  Adamw(const ParameterStore& store, const AdamwSpec& spec);

  // Clips the gradient to max_grad_norm, moves the weights by one step at rate `lr`, and zeroes the gradient. Can be
  // stopped before it moves anything, with the gradient as it was.
  StepReport step(ParameterStore& store, double lr, double max_grad_norm);

  // State for checkpoints: flat tensors by name, and the number of steps taken.
  std::vector<std::pair<std::string, at::Tensor>> tensors() const;
  int64_t num_steps() const { return num_steps_; }
  void set_num_steps(int64_t steps) { num_steps_ = steps; }

 private:
  // By the kernels of a device, with one copy back to the host.
  StepReport step_device(ParameterStore& store, double lr, double max_grad_norm);

  AdamwSpec spec_;
  std::atomic<int64_t> num_steps_ = 0;  // read from the JavaScript thread
  at::Tensor first_moment_, second_moment_;
  at::Tensor master_;        // kAdamw with narrow weights
  at::Tensor compensation_;  // kAdamwBf16 with bfloat16 weights
};

// sqrt(sum of squares), summed in float64 in a fixed order.
double gradient_norm(const at::Tensor& flat_grad);

}  // namespace papo
