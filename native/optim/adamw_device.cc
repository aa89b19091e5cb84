#include "core/kernel_call.h"
#include "kernels/adamw.cuh"
#include "kernels/gradient_norm.cuh"
#include "optim/adamw.h"

namespace papo {
namespace {

// What comes back to the host, in one copy.
struct Outcome {
  double norm;
  int32_t skipped, unused;
};

}  // namespace

StepReport Adamw::step_device(ParameterStore& store, double lr, double max_grad_norm) {
  const auto weights = store.trained_values();
  const auto& grad = store.flat_grad();
  const int64_t count = weights.numel();
  const auto stream = kernel_stream(weights);
  const auto partials = at::empty({kernels::kNormPartials}, grad.options().dtype(at::kDouble));
  const auto outcome = at::zeros({static_cast<int64_t>(sizeof(Outcome) / sizeof(double))}, partials.options());
  auto* result = reinterpret_cast<Outcome*>(outcome.data_ptr<double>());
  launched(
      kernels::gradient_norm(kernel_data<float>(grad), count, kernel_data<double>(partials), &result->norm, stream),
      "gradient_norm");
  const auto rates =
      kernels::adamw_rates(lr, spec_.beta1, spec_.beta2, spec_.eps, spec_.weight_decay, max_grad_norm, num_steps_ + 1);
  by_kernel_type(weights, [&](auto weight) {
    by_kernel_type(first_moment_, [&](auto moment) {
      using W = decltype(weight);
      using M = decltype(moment);
      const kernels::AdamwBuffers<W, M> buffers{kernel_data<W>(weights),        kernel_data<M>(first_moment_),
                                                kernel_data<M>(second_moment_), kernel_data<float>(grad),
                                                kernel_data<float>(master_),    kernel_data<W>(compensation_)};
      launched(kernels::adamw(buffers, count, rates, &result->norm, &result->skipped, stream), "adamw");
    });
  });
  store.trained_weights_move();
  Outcome read;
  std::memcpy(&read, outcome.to(at::kCPU).data_ptr<double>(), sizeof(read));
  if (read.skipped == 0) ++num_steps_;
  return {read.norm, read.skipped != 0};
}

}  // namespace papo
