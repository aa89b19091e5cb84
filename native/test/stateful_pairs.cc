#include "test/stateful_pairs.h"

#include "core/device.h"
#include "core/parallel.h"
#include "core/vec.h"
#include "ops/token_log_probs.h"
#include "optim/adamw.h"
#include "rollout/sampler.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Tensors = std::vector<at::Tensor>;
using Params = std::vector<Param>;

// Log-probs with the gradient of the sum that `compare` forms of them.
class HeadGradientOfWave : public torch::autograd::Function<HeadGradientOfWave> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& hidden, const Param& head,
                            const at::Tensor& targets) {
    const auto wave = upstream_of(at::empty({hidden.size(0)}, hidden.options()));
    const auto out = head_gradient(hidden, head, targets, {}, [&](const at::Tensor& log_probs_C, int64_t begin) {
      return wave.narrow(0, begin, log_probs_C.size(0)).to(log_probs_C.scalar_type());
    });
    ctx->save_for_backward({out.grad_hidden_ND});
    return out.log_probs_N;
  }
  static variable_list backward(AutogradContext* ctx, variable_list) {
    return {ctx->get_saved_variables()[0], at::Tensor(), at::Tensor()};
  }
};

// torch.optim.AdamW with clip_grad_norm_ before it, on flat tensors.
struct ComposedAdamw {
  AdamwSpec spec;
  at::Tensor weights, grad, first, second;
  int64_t steps = 0;

  void step(double lr, double max_grad_norm) {
    ++steps;
    grad.mul_(std::min(1.0, max_grad_norm / (grad.norm().item<double>() + 1e-6)));
    first.mul_(spec.beta1).add_(grad, 1 - spec.beta1);
    second.mul_(spec.beta2).addcmul_(grad, grad, 1 - spec.beta2);
    const auto root = second.sqrt().div_(std::sqrt(1 - std::pow(spec.beta2, steps))).add_(spec.eps);
    weights.mul_(1 - lr * spec.weight_decay).addcdiv_(first, root, -lr / (1 - std::pow(spec.beta1, steps)));
    grad.zero_();
  }
};

}  // namespace

OpPair head_gradient_pair(const OpSpec& spec) {
  const int64_t vocab = spec.size("vocab"), rows = spec.size("rows"), width = spec.size("width");
  const auto targets = to_device(at::randint(vocab, {rows}, at::kLong));
  OpPair op;
  op.gradient_in_forward = true;
  op.inputs = {{"hidden", to_device(at::randn({rows, width}, at::kDouble).to(spec.dtype))}};
  op.weights = {{"head", to_device(at::randn({vocab, width}, at::kDouble).to(spec.dtype))}};
  op.kernel = [=](const Tensors& in, const Params& w) {
    return Named{{"logProbs", HeadGradientOfWave::apply(in[0], w[0], targets)}};
  };
  op.composed = [=](const Tensors& in, const Tensors& w) {
    return Named{{"logProbs", token_log_probs_composed(in[0], w[0], targets, 1.0).log_probs_N}};
  };
  return op;
}

OpPair adamw_pair(const OpSpec& spec) {
  constexpr double kRate = 1e-2, kMaxNorm = 1;
  const int64_t count = spec.size("weights");
  auto store = std::make_shared<ParameterStore>();
  store->declare("weights", {count});
  store->end_part();
  store->allocate(at::TensorOptions(at::kFloat).device(tensor_device()), /*trained=*/true, {false});
  auto optimizer = std::make_shared<Adamw>(*store, AdamwSpec{});
  auto composed = std::make_shared<ComposedAdamw>();
  const auto weights = to_device(0.02 * at::randn({count}));
  composed->weights = weights.clone();
  for (auto* tensor : {&composed->grad, &composed->first, &composed->second}) *tensor = at::zeros_like(weights);
  const auto own = store->values(store->entry("weights")), own_grad = store->grads(store->entry("weights"));
  own.copy_(weights);
  OpPair op;
  op.kept_bytes = 9.0 * 4 * static_cast<double>(count);  // gradient read twice and zeroed; three arrays to and fro
  op.kernel = [=](const Tensors&, const Params&) {
    optimizer->step(*store, kRate, kMaxNorm);
    return Named{};
  };
  op.composed = [=](const Tensors&, const Tensors&) {
    composed->step(kRate, kMaxNorm);
    return Named{};
  };
  op.check = [=]() -> Differences {
    for (int step = 0; step < 2; ++step) {
      composed->grad.copy_(at::randn({count}));
      own_grad.copy_(composed->grad);
      composed->step(kRate, kMaxNorm);
      optimizer->step(*store, kRate, kMaxNorm);
    }
    return {{"change", relative_difference(own - weights, composed->weights - weights)},
            {"gradient", own_grad.abs().max().item<double>()}};
  };
  return op;
}

OpPair sampler_pair(const OpSpec& spec) {
  const int64_t rows = spec.size("rows"), vocab = spec.size("vocab"), padded = round_up(vocab, kLanes<float>);
  const double top_p = spec.number("topP");
  auto logits = at::full({rows, padded}, -std::numeric_limits<float>::infinity());
  logits.narrow(1, 0, vocab).copy_(3 * at::randn({rows, vocab}));
  const auto draw = [=] {
    const auto work = logits.clone();  // the engine's logits are new as well
    const auto ids = at::empty({rows}, at::kLong), log_probs = at::empty({rows}, at::kFloat);
    parallel_tasks(rows, [&](int64_t row) {
      const RandomStream stream(spec.seed, Purpose::kRolloutToken, {static_cast<uint64_t>(row)});
      const auto token = sample_token(work.data_ptr<float>() + row * padded, vocab, {1.0, top_p, 0}, {}, stream, 0);
      ids.data_ptr<int64_t>()[row] = token.id;
      log_probs.data_ptr<float>()[row] = token.log_prob;
    });
    return Named{{"ids", ids}, {"logProbs", log_probs}};
  };
  OpPair op;
  op.kept_bytes = 4.0 * static_cast<double>(rows * vocab);  // each logit once
  op.kernel = [=](const Tensors&, const Params&) { return draw(); };
  op.composed = [=](const Tensors&, const Tensors&) {
    const auto log_p = at::log_softmax(logits.narrow(1, 0, vocab), 1);
    const auto [p, order] = at::sort(log_p.exp(), 1, /*descending=*/true);
    const auto kept = at::where(at::cumsum(p, 1) - p < top_p, p, at::zeros({}));
    const auto ids = order.gather(1, at::multinomial(kept, 1));
    return Named{{"ids", ids.squeeze(1)}, {"logProbs", log_p.gather(1, ids).squeeze(1)}};
  };
  op.check = [=]() -> Differences {
    const auto drawn = draw();
    const auto log_p = at::log_softmax(logits.narrow(1, 0, vocab).to(at::kDouble), 1);
    const auto own = log_p.gather(1, drawn[0].second.unsqueeze(1));
    const auto likelier = at::where(log_p > own, log_p.exp(), at::zeros({}, at::kDouble)).sum(1);
    return {{"share outside the nucleus", likelier.ge(top_p + 1e-6).to(at::kDouble).mean().item<double>()},
            {"logProbs", relative_difference(drawn[1].second, own.squeeze(1))}};
  };
  return op;
}

}  // namespace papo
