#include "optim/adamw.h"

#include "core/device.h"
#include "core/error.h"
#include "core/parallel.h"

namespace papo {
namespace {

constexpr int64_t kBlock = 1 << 16;  // elements a task takes; fixes the order of the norm's sum

int64_t num_blocks(int64_t count) { return (count + kBlock - 1) / kBlock; }

template <class G>
double squares(const at::Tensor& flat_grad) {
  const G* grad = flat_grad.data_ptr<G>();
  const int64_t count = flat_grad.numel();
  std::vector<double> partial(num_blocks(count));
  parallel_tasks(num_blocks(count), [&](int64_t block) {
    double sums[8] = {};
    const int64_t begin = block * kBlock, end = std::min(count, begin + kBlock);
    for (int64_t i = begin; i < end; ++i) sums[(i - begin) & 7] += static_cast<double>(grad[i]) * grad[i];
    partial[block] = std::accumulate(sums, sums + 8, 0.0);
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

struct StepSizes {
  double decay;  // lr * weight decay: the share of a weight that goes
  double rate;   // lr / (1 - beta1^t)
  double root;   // 1 / sqrt(1 - beta2^t)
  double clip;   // gradients are multiplied by it
};

// W: weights and compensation; M: moments; G: gradients; A: arithmetic.
template <class W, class M, class G, class A>
struct Pointers {
  W* weights;
  M *first, *second;
  G* grad;
  A* master;        // null: none
  W* compensation;  // null: none
};

template <class W, class M, class G, class A>
void move(const Pointers<W, M, G, A>& p, int64_t count, const AdamwSpec& spec, const StepSizes& sizes) {
  const A beta1 = static_cast<A>(spec.beta1), beta2 = static_cast<A>(spec.beta2), eps = static_cast<A>(spec.eps);
  const A decay = static_cast<A>(sizes.decay), rate = static_cast<A>(sizes.rate), root = static_cast<A>(sizes.root),
          clip = static_cast<A>(sizes.clip);
  parallel_tasks(num_blocks(count), [&](int64_t block) {
    for (int64_t i = block * kBlock; i < std::min(count, (block + 1) * kBlock); ++i) {
      const A g = static_cast<A>(p.grad[i]) * clip;
      const A m = beta1 * static_cast<A>(p.first[i]) + (1 - beta1) * g;
      const A v = beta2 * static_cast<A>(p.second[i]) + (1 - beta2) * g * g;
      p.first[i] = static_cast<M>(m);
      p.second[i] = static_cast<M>(v);
      p.grad[i] = 0;
      const A change = -rate * m / (std::sqrt(v) * root + eps);
      if (p.compensation != nullptr) {
        // Kahan: decay and change go through the buffer, which keeps what the rounded weight could not take.
        const A before = static_cast<A>(p.weights[i]);
        const W pending = static_cast<W>(static_cast<A>(p.compensation[i]) + change - before * decay);
        p.weights[i] = static_cast<W>(before + static_cast<A>(pending));
        p.compensation[i] = static_cast<W>(static_cast<A>(pending) - (static_cast<A>(p.weights[i]) - before));
        continue;
      }
      const A before = p.master != nullptr ? p.master[i] : static_cast<A>(p.weights[i]);
      const A after = before - before * decay + change;
      if (p.master != nullptr) p.master[i] = after;
      p.weights[i] = static_cast<W>(after);
    }
  });
}

template <class T>
T* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

}  // namespace

double gradient_norm(const at::Tensor& flat_grad) {
  return std::sqrt(flat_grad.scalar_type() == at::kDouble ? squares<double>(flat_grad) : squares<float>(flat_grad));
}

Adamw::Adamw(const ParameterStore& store, const AdamwSpec& spec) : spec_(spec) {
  check(store.flat_grad().defined(), "adamw", "the policy was opened without gradients", "E_VALUE");
  const auto weights = store.trained_values();
  const auto type = weights.scalar_type();
  const auto wide = type == at::kDouble ? at::kDouble : at::kFloat;
  const bool narrow_moments = spec.strategy == AdamwStrategy::kAdamwBf16;
  check(!(narrow_moments && type == at::kDouble), "adamw", "adamw_bf16 takes float32 or bfloat16 weights", "E_DTYPE");
  first_moment_ = at::zeros({weights.numel()}, weights.options().dtype(narrow_moments ? at::kBFloat16 : wide));
  second_moment_ = at::zeros_like(first_moment_);
  if (type == at::kBFloat16) {
    if (narrow_moments)
      compensation_ = at::zeros_like(first_moment_);
    else
      master_ = weights.to(at::kFloat);
  }
}

StepReport Adamw::step(ParameterStore& store, double lr, double max_grad_norm) {
  at::NoGradGuard no_grad;
  const auto weights = store.trained_values();
  const auto& grad = store.flat_grad();
  check(grad.defined(), "optimizer_step", "the policy was opened without gradients", "E_VALUE");
  check(weights.numel() == first_moment_.numel(), "optimizer_step",
        "the optimizer belongs to a policy of another size");
  if (runs_kernels(weights)) {
    poll_cancel();
    return step_device(store, lr, max_grad_norm);
  }
  const double norm = gradient_norm(grad);
  if (!std::isfinite(norm)) {
    store.zero_grad();
    return {norm, true};
  }
  poll_cancel();
  const CallScope whole({});  // a step that has begun to move weights ends
  store.trained_weights_move();
  const int64_t steps = ++num_steps_;
  // As torch's clip_grad_norm_: the factor never exceeds 1.
  const StepSizes sizes{lr * spec_.weight_decay, lr / (1.0 - std::pow(spec_.beta1, steps)),
                        1.0 / std::sqrt(1.0 - std::pow(spec_.beta2, steps)),
                        std::min(1.0, max_grad_norm / (norm + 1e-6))};
  const int64_t count = weights.numel();
  if (weights.scalar_type() == at::kDouble) {
    move<double, double, double, double>({pointer<double>(weights), pointer<double>(first_moment_),
                                          pointer<double>(second_moment_), pointer<double>(grad), nullptr, nullptr},
                                         count, spec_, sizes);
  } else if (weights.scalar_type() == at::kFloat && spec_.strategy == AdamwStrategy::kAdamw) {
    move<float, float, float, float>({pointer<float>(weights), pointer<float>(first_moment_),
                                      pointer<float>(second_moment_), pointer<float>(grad), nullptr, nullptr},
                                     count, spec_, sizes);
  } else if (weights.scalar_type() == at::kFloat) {
    move<float, at::BFloat16, float, float>(
        {pointer<float>(weights), pointer<at::BFloat16>(first_moment_), pointer<at::BFloat16>(second_moment_),
         pointer<float>(grad), nullptr, nullptr},
        count, spec_, sizes);
  } else if (spec_.strategy == AdamwStrategy::kAdamw) {
    move<at::BFloat16, float, float, float>(
        {pointer<at::BFloat16>(weights), pointer<float>(first_moment_), pointer<float>(second_moment_),
         pointer<float>(grad), pointer<float>(master_), nullptr},
        count, spec_, sizes);
  } else {
    move<at::BFloat16, at::BFloat16, float, float>(
        {pointer<at::BFloat16>(weights), pointer<at::BFloat16>(first_moment_), pointer<at::BFloat16>(second_moment_),
         pointer<float>(grad), nullptr, pointer<at::BFloat16>(compensation_)},
        count, spec_, sizes);
  }
  return {norm, false};
}

std::vector<std::pair<std::string, at::Tensor>> Adamw::tensors() const {
  std::vector<std::pair<std::string, at::Tensor>> out{{"first_moment", first_moment_},
                                                      {"second_moment", second_moment_}};
  if (master_.defined()) out.emplace_back("master", master_);
  if (compensation_.defined()) out.emplace_back("compensation", compensation_);
  return out;
}

}  // namespace papo
