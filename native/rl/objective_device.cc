#include "core/kernel_call.h"
#include "kernels/objective.cuh"
#include "ops/context.h"
#include "rl/objective.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::KlKind kind_of(KlEstimator estimator) {
  switch (estimator) {
    case KlEstimator::kK1:
      return kernels::KlKind::kK1;
    case KlEstimator::kAbs:
      return kernels::KlKind::kAbs;
    case KlEstimator::kMse:
      return kernels::KlKind::kMse;
    case KlEstimator::kK3:
      return kernels::KlKind::kK3;
    case KlEstimator::kFull:
      break;
  }
  throw Error("E_VALUE", "objective", "unknown estimator");
}

kernels::ObjectiveSettings settings_of(const ObjectiveSpec& spec) {
  kernels::ObjectiveSettings settings;
  settings.clip_low = spec.clip.low;
  settings.clip_high = spec.clip.high;
  settings.clip_dual = spec.clip.dual.value_or(0);
  if (spec.kl_ref) {
    settings.kl_ref = kind_of(spec.kl_ref->estimator);
    settings.kl_ref_coef = spec.kl_ref->coef;
  }
  if (spec.kl_prcp) {
    settings.kl_prcp = kind_of(spec.kl_prcp->estimator);
    settings.kl_prcp_coef = spec.kl_prcp->coef;
    settings.kl_prcp_clip = spec.kl_prcp->clip.value_or(-1);
  }
  settings.ori_entropy_coef = spec.ori_entropy_coef;
  settings.aug_entropy_coef = spec.aug_entropy_coef;
  settings.sft_coef = spec.sft_coef;
  return settings;
}

// The responses' numbers as rows of one tensor [.., n], which crosses to the device in one copy.
class WeightRows {
 public:
  // Which row it becomes; -1: absent.
  int add(const std::vector<double>& values) {
    if (values.empty()) return -1;
    values_.insert(values_.end(), values.begin(), values.end());
    count_ = static_cast<int64_t>(values.size());
    return num_rows_++;
  }
  void upload() { rows_ = to_device(values_); }
  const float* row(int index) const { return index < 0 ? nullptr : kernel_data<float>(rows_) + index * count_; }

 private:
  std::vector<float> values_;
  int64_t count_ = 0;
  int num_rows_ = 0;
  at::Tensor rows_;
};

// A loss whose gradients are known already.
class WithGradient : public torch::autograd::Function<WithGradient> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& log_probs_R, const at::Tensor& aug_log_probs_R,
                            const at::Tensor& loss, const variable_list& grads) {
    ctx->save_for_backward(grads);
    return loss.clone();
  }
  static variable_list backward(AutogradContext* ctx, variable_list upstream) {
    const auto saved = ctx->get_saved_variables();
    return {saved[0] * upstream[0], saved[1].numel() == 0 ? at::Tensor() : saved[1] * upstream[0], at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

ObjectiveResult objective_device(const ObjectiveSpec& spec, const ObjectiveBatch& batch, const Ragged& ragged) {
  WeightRows rows;
  const auto& w = batch.weights;
  const int advantages = batch.advantages_R.defined() ? -1 : rows.add(w.advantages), loss = rows.add(w.loss_weights),
            token = rows.add(w.token_weights), pg = rows.add(w.pg_weights), prcp = rows.add(w.prcp_weights),
            sft = rows.add(w.sft_weights);
  rows.upload();
  const auto flat = [](const at::Tensor& x) { return x.defined() ? x.detach().contiguous() : x; };
  const auto log_probs = flat(batch.log_probs_R), old = flat(batch.old_log_probs_R), ref = flat(batch.ref_log_probs_R),
             aug = flat(batch.aug_log_probs_R), token_advantages = flat(batch.advantages_R),
             response_R = ragged.response_R.to(at::kInt);
  const auto doubles = log_probs.options().dtype(at::kDouble);
  const auto grad = at::empty_like(log_probs);
  const bool wants_aug_grad = aug.defined() && batch.aug_log_probs_R.requires_grad();
  const auto aug_grad = wants_aug_grad ? at::empty_like(aug) : at::empty({0}, log_probs.options());
  const auto perception_kl = spec.kl_prcp ? at::empty_like(log_probs) : at::Tensor();
  const auto sums = at::empty({kernels::kNumObjectiveSums}, doubles);
  const auto work = at::empty({kernels::objective_work_doubles(ragged.num_tokens)}, doubles);
  const kernels::ObjectiveTokens tokens{kernel_data<float>(log_probs),
                                        kernel_data<float>(old),
                                        kernel_data<float>(ref),
                                        kernel_data<float>(aug),
                                        kernel_data<float>(token_advantages),
                                        kernel_data<int32_t>(response_R),
                                        ragged.num_tokens};
  const kernels::ObjectiveWeights weights{rows.row(advantages), rows.row(loss), rows.row(token),
                                          rows.row(pg),         rows.row(prcp), rows.row(sft)};
  const kernels::ObjectiveOutputs outputs{
      kernel_data<float>(grad), wants_aug_grad ? kernel_data<float>(aug_grad) : nullptr,
      kernel_data<float>(perception_kl), kernel_data<double>(sums), kernel_data<double>(work)};
  launched(kernels::objective(settings_of(spec), tokens, weights, outputs, kernel_stream(log_probs)), "objective");

  ObjectiveResult result;
  result.num_tokens = ragged.num_tokens;
  const auto value = sums[kernels::kTotalLoss].to(at::kFloat);
  result.loss = WithGradient::apply(batch.log_probs_R, aug.defined() ? batch.aug_log_probs_R : value, value,
                                    variable_list{grad, aug_grad});
  std::vector<int64_t> places;
  const auto measure = [&](const char* name, kernels::ObjectiveSum place) {
    result.metric_names.emplace_back(name);
    places.push_back(place);
  };
  measure("pg_loss", kernels::kPgLoss);
  measure("pg_clipfrac_higher", kernels::kClippedHigher);
  measure("pg_clipfrac_lower", kernels::kClippedLower);
  measure("ppo_kl", kernels::kPpoKl);
  measure("entropy_loss", kernels::kEntropyLoss);
  if (spec.kl_ref) measure("kl_loss", kernels::kKlLoss);
  if (spec.kl_prcp) measure("kl_prcp_loss", kernels::kKlPrcpLoss);
  measure("ori_entropy_loss", kernels::kOriEntropyLoss);
  if (aug.defined()) measure("aug_entropy_loss", kernels::kAugEntropyLoss);
  if (sft >= 0) measure("sft_loss", kernels::kSftLoss);
  measure("total_loss", kernels::kTotalLoss);
  result.metrics = sums.index_select(0, to_device(places));
  if (spec.kl_prcp) result.perception_kl_sums = sum_per_response(perception_kl.to(at::kDouble), ragged);
  return result;
}

}  // namespace papo
