#include "rl/objective.h"

#include "core/device.h"
#include "core/error.h"

namespace papo {
namespace {

constexpr const char* kOp = "objective";

std::vector<double> slice_of(const std::vector<double>& values, int64_t begin, int64_t end) {
  if (values.empty()) return {};
  return {values.begin() + begin, values.begin() + end};
}

void check_tokens(const at::Tensor& values_R, const at::Tensor& like_R, int64_t num_tokens, const char* name) {
  check(values_R.defined(), kOp, std::string(name) + ": needed by this objective, but missing", "E_VALUE");
  check(values_R.dim() == 1 && values_R.size(0) == num_tokens, kOp,
        std::string(name) + ": expected " + std::to_string(num_tokens) + " tokens, got " +
            (values_R.dim() == 1 ? std::to_string(values_R.size(0)) : std::to_string(values_R.dim()) + " dimensions"));
  check(values_R.scalar_type() == like_R.scalar_type() && at::isFloatingType(values_R.scalar_type()), kOp,
        std::string(name) + ": expected the dtype of log_probs, got " + at::toString(values_R.scalar_type()),
        "E_DTYPE");
}

void check_weights(const std::vector<double>& values, size_t count, bool optional, const char* name) {
  check(values.size() == count || (optional && values.empty()), kOp,
        std::string(name) + ": expected " + std::to_string(count) + " numbers, one a response, got " +
            std::to_string(values.size()));
}

bool needs_aug(const ObjectiveSpec& spec) { return spec.kl_prcp || (spec.aug_entropy_coef != 0 && !spec.full_entropy); }

void check_batch(const ObjectiveSpec& spec, const ObjectiveBatch& batch, int64_t num_tokens) {
  const size_t count = batch.response_lengths.size();
  const auto tokens = [&](const at::Tensor& values_R, const char* name, bool needed) {
    if (needed || values_R.defined()) check_tokens(values_R, batch.log_probs_R, num_tokens, name);
  };
  tokens(batch.log_probs_R, "log_probs", true);
  tokens(batch.old_log_probs_R, "old_log_probs", true);
  tokens(batch.ref_log_probs_R, "ref_log_probs", spec.kl_ref && !has_full_kl(spec.kl_ref));
  tokens(batch.ref_kl_R, "ref_kl", has_full_kl(spec.kl_ref));
  tokens(batch.aug_log_probs_R, "aug_log_probs", needs_aug(spec));
  tokens(batch.aug_kl_R, "aug_kl", has_full_kl(spec.kl_prcp));
  tokens(batch.entropy_R, "entropy", spec.full_entropy && spec.ori_entropy_coef != 0);
  tokens(batch.aug_entropy_R, "aug_entropy", spec.full_entropy && spec.aug_entropy_coef != 0);
  tokens(batch.advantages_R, "advantages", false);
  check_weights(batch.weights.advantages, count, batch.advantages_R.defined(), "advantages");
  check_weights(batch.weights.loss_weights, count, false, "loss_weights");
  check_weights(batch.weights.token_weights, count, false, "token_weights");
  check_weights(batch.weights.pg_weights, count, true, "pg_weights");
  check_weights(batch.weights.prcp_weights, count, true, "prcp_weights");
  check_weights(batch.weights.sft_weights, count, spec.sft_coef == 0, "sft_weights");
}

// Gathers the loss with its graph and the metrics.
class Accumulator {
 public:
  void measure(const char* name, const at::Tensor& value) {
    names_.emplace_back(name);
    values_.push_back(value.detach().to(at::kDouble));
  }
  void add(const char* name, const at::Tensor& value, double coef) {
    measure(name, value);
    if (coef == 0) return;
    loss_ = loss_.defined() ? loss_ + value * coef : value * coef;
  }
  ObjectiveResult finish() {
    measure("total_loss", loss_);
    ObjectiveResult result;
    result.loss = loss_;
    result.metric_names = std::move(names_);
    result.metrics = at::stack(values_);
    return result;
  }

 private:
  at::Tensor loss_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> values_;
};

struct TokenWeights {
  at::Tensor loss_R, token_R;
};

void add_policy(Accumulator& total, const ObjectiveSpec& spec, const ObjectiveBatch& batch, const Ragged& ragged,
                const TokenWeights& weights) {
  const at::Tensor advantages_R =
      batch.advantages_R.defined() ? batch.advantages_R : spread(batch.weights.advantages, ragged, batch.log_probs_R);
  const PolicyTerm term = spec.policy_loss == PolicyLoss::kPpo
                              ? ppo_term(batch.log_probs_R, batch.old_log_probs_R, advantages_R, spec.clip)
                              : gspo_term(batch.log_probs_R, batch.old_log_probs_R, advantages_R, spec.clip, ragged);
  const at::Tensor pg_weights_R =
      batch.weights.pg_weights.empty() ? weights.loss_R : spread(batch.weights.pg_weights, ragged, batch.log_probs_R);
  total.add("pg_loss", weighted_sum(term.loss_R, pg_weights_R), 1.0);
  total.measure("pg_clipfrac_higher", weighted_sum(term.clipped_higher_R, weights.token_R));
  total.measure("pg_clipfrac_lower", weighted_sum(term.clipped_lower_R, weights.token_R));
  total.measure("ppo_kl", weighted_sum(term.kl_R, weights.token_R));
  total.measure("entropy_loss", weighted_sum(-batch.log_probs_R.detach(), weights.loss_R));
}

KlTokens perception_tokens(const ObjectiveBatch& batch) {
  return {batch.log_probs_R, batch.aug_log_probs_R, batch.aug_kl_R};
}

void add_perception(Accumulator& total, const ObjectiveSpec& spec, const ObjectiveBatch& batch, const Ragged& ragged,
                    const TokenWeights& weights) {
  const at::Tensor prcp_R = batch.weights.prcp_weights.empty()
                                ? at::ones_like(batch.log_probs_R)
                                : spread(batch.weights.prcp_weights, ragged, batch.log_probs_R);
  const at::Tensor kl_R = perception_term(perception_tokens(batch), prcp_R.detach(), *spec.kl_prcp, ragged);
  total.add("kl_prcp_loss", -weighted_sum(kl_R, weights.loss_R), spec.kl_prcp->coef);
}

// Token means in every averaging mode.
void add_entropies(Accumulator& total, const ObjectiveSpec& spec, const ObjectiveBatch& batch,
                   const at::Tensor& token_weights_R) {
  const at::Tensor ori_R = spec.full_entropy ? batch.entropy_R : -batch.log_probs_R;
  if (ori_R.defined()) total.add("ori_entropy_loss", weighted_sum(ori_R, token_weights_R), spec.ori_entropy_coef);
  const bool has_aug = spec.full_entropy ? batch.aug_entropy_R.defined() : batch.aug_log_probs_R.defined();
  if (!has_aug) return;
  const at::Tensor aug_R = spec.full_entropy ? batch.aug_entropy_R : -batch.aug_log_probs_R;
  total.add("aug_entropy_loss", weighted_sum(aug_R, token_weights_R), spec.aug_entropy_coef);
}

}  // namespace

ResponseWeights ResponseWeights::slice(int64_t begin, int64_t end) const {
  return {slice_of(advantages, begin, end), slice_of(loss_weights, begin, end), slice_of(token_weights, begin, end),
          slice_of(pg_weights, begin, end), slice_of(prcp_weights, begin, end), slice_of(sft_weights, begin, end)};
}

bool is_separable(const ObjectiveSpec& spec) {
  return spec.policy_loss == PolicyLoss::kPpo && !spec.full_entropy && !(spec.kl_prcp && spec.kl_prcp->token_top_p) &&
         !has_full_kl(spec.kl_ref) && !has_full_kl(spec.kl_prcp);
}

bool has_full_kl(const std::optional<KlRefSpec>& kl_ref) { return kl_ref && kl_ref->estimator == KlEstimator::kFull; }

bool has_full_kl(const std::optional<PerceptionSpec>& kl_prcp) {
  return kl_prcp && kl_prcp->estimator == KlEstimator::kFull;
}

TokenRange slice_tokens(const ObjectiveBatch& batch, int64_t begin, int64_t end) {
  std::vector<int64_t> lengths;
  int64_t first = -1, last = 0, offset = 0;
  for (size_t i = 0; i < batch.response_lengths.size(); ++i) {
    const int64_t inside = std::min(end, offset + batch.response_lengths[i]) - std::max(begin, offset);
    offset += batch.response_lengths[i];
    if (inside <= 0) {
      if (first >= 0 && offset < end) lengths.push_back(0);  // an empty response in between
      continue;
    }
    if (first < 0) first = static_cast<int64_t>(i);
    lengths.push_back(inside);
  }
  last = first + static_cast<int64_t>(lengths.size());
  const auto part = [&](const at::Tensor& t) { return t.defined() ? t.slice(0, begin, end) : t; };
  return {{part(batch.log_probs_R), part(batch.old_log_probs_R), part(batch.ref_log_probs_R),
           part(batch.aug_log_probs_R), part(batch.entropy_R), part(batch.aug_entropy_R), part(batch.advantages_R),
           part(batch.ref_kl_R), part(batch.aug_kl_R), std::move(lengths), batch.weights.slice(first, last)},
          first};
}

ObjectiveResult objective(const ObjectiveSpec& spec, const ObjectiveBatch& batch) {
  check(batch.log_probs_R.defined(), kOp, "log_probs: missing", "E_VALUE");
  const Ragged ragged(batch.response_lengths, batch.log_probs_R.device());
  check_batch(spec, batch, ragged.num_tokens);
  if (runs_kernels(batch.log_probs_R) && is_separable(spec)) return objective_device(spec, batch, ragged);
  const TokenWeights weights{spread(batch.weights.loss_weights, ragged, batch.log_probs_R),
                             spread(batch.weights.token_weights, ragged, batch.log_probs_R)};
  Accumulator total;
  add_policy(total, spec, batch, ragged, weights);
  if (spec.kl_ref) {
    const at::Tensor kl_R = kl_of({batch.log_probs_R, batch.ref_log_probs_R, batch.ref_kl_R}, spec.kl_ref->estimator);
    total.add("kl_loss", weighted_sum(kl_R, weights.loss_R), spec.kl_ref->coef);
  }
  if (spec.kl_prcp) add_perception(total, spec, batch, ragged, weights);
  add_entropies(total, spec, batch, weights.token_R);
  if (!batch.weights.sft_weights.empty()) {
    const at::Tensor sft_R = spread(batch.weights.sft_weights, ragged, batch.log_probs_R);
    total.add("sft_loss", weighted_sum(-batch.log_probs_R, sft_R), spec.sft_coef);
  }
  ObjectiveResult result = total.finish();
  result.num_tokens = ragged.num_tokens;
  if (spec.kl_prcp) {
    const at::NoGradGuard no_grad;
    const at::Tensor kl_R = kl_of(perception_tokens(batch), spec.kl_prcp->estimator);
    result.perception_kl_sums = sum_per_response(kl_R.to(at::kDouble), ragged);
  }
  return result;
}

}  // namespace papo
