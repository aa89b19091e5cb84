#include "ops/checkpointed.h"

#include "core/cancel.h"
#include "core/flops.h"
#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct State {
  LayerFunction layer;
  FlopPhase phase = flop_phase;
};

class Checkpointed : public torch::autograd::Function<Checkpointed> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const State& state) {
    ctx->save_for_backward({x});
    hold(ctx, state);
    at::NoGradGuard no_grad;
    return state.layer(x);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    poll_cancel();
    const auto& [layer, phase] = held<State>(ctx);
    const FlopScope scope(phase);
    at::AutoGradMode with_grad(true);
    const auto x = ctx->get_saved_variables()[0].detach().set_requires_grad(true);
    const auto y = layer(x);
    torch::autograd::backward({y}, {grads[0]});
    return {x.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor run_layer(const LayerFunction& layer, const at::Tensor& x, bool recompute) {
  poll_cancel();
  if (!recompute || !at::GradMode::is_enabled() || !x.requires_grad()) return layer(x);
  return Checkpointed::apply(x, State{layer});
}

}  // namespace papo
