// The objective of policy optimisation as one accumulator: the loss of a micro-batch is the weighted sum over its
// tokens of every term, with weights fixed before the micro-batches are cut. So losses, metrics and gradients of
// micro-batches add up to those of the optimizer batch, however it is packed. Terms: native/rl/loss_terms.h.
#pragma once

#include "rl/loss_terms.h"

namespace papo {

enum class PolicyLoss { kPpo, kGspo };

struct KlRefSpec {
  double coef = 0;
  KlEstimator estimator = KlEstimator::kK3;
};

// What to optimise; an absent part is not computed, a coefficient of 0 leaves the loss alone but is measured.
struct ObjectiveSpec {
  PolicyLoss policy_loss = PolicyLoss::kPpo;
  ClipSpec clip;
  std::optional<KlRefSpec> kl_ref;        // KL to the reference policy as a loss
  std::optional<PerceptionSpec> kl_prcp;  // PAPO's implicit perception loss
  double aug_entropy_coef = 0;            // the annealing discount is already in both
  double ori_entropy_coef = 0;
  bool full_entropy = false;  // entropies over the vocabulary instead of -log prob of the sampled tokens
  double sft_coef = 0;
};

// One number per response [n], in packing order.
struct ResponseWeights {
  std::vector<double> advantages;     // ignored when the batch has advantages_R
  std::vector<double> loss_weights;   // weight of each of its tokens in the averaged terms (token mean: 1 / T)
  std::vector<double> token_weights;  // weight of each of its tokens in token means (entropies and most metrics)
  std::vector<double> pg_weights;     // likewise in the policy-gradient term; empty: loss_weights
  std::vector<double> prcp_weights;   // multiplies its perception KL; empty: 1
  std::vector<double> sft_weights;    // c_i / (tokens of all responses with c = 1); empty: 0

  // Of the responses [begin, end).
  ResponseWeights slice(int64_t begin, int64_t end) const;
};

// Packed response tokens of a micro-batch, all float32 or all float64, on one device.
struct ObjectiveBatch {
  at::Tensor log_probs_R;      // carries gradient
  at::Tensor old_log_probs_R;  // policy before the update
  at::Tensor ref_log_probs_R;  // undefined without kl_ref
  at::Tensor aug_log_probs_R;  // policy on the masked picture; may carry gradient; undefined without PAPO terms
  at::Tensor entropy_R;        // with full_entropy: over the vocabulary, carries gradient
  at::Tensor aug_entropy_R;    // likewise on the masked picture
  at::Tensor advantages_R;     // undefined: weights.advantages
  at::Tensor ref_kl_R;         // KL to the reference over the vocabulary, where that is its estimator; carries gradient
  at::Tensor aug_kl_R;         // likewise to the policy on the masked picture
  std::vector<int64_t> response_lengths;
  ResponseWeights weights;
};

// Whether the loss is a sum of one function of each token's log-prob, so that its gradient at a token needs that token
// alone: not GSPO, no quantile of a response's tokens, no entropies or KLs over the vocabulary.
bool is_separable(const ObjectiveSpec& spec);
// Whether the term is there and over the vocabulary.
bool has_full_kl(const std::optional<KlRefSpec>& kl_ref);
bool has_full_kl(const std::optional<PerceptionSpec>& kl_prcp);

// Tokens [begin, end) of a batch as a batch; responses at its ends are cut, which a separable objective does not see.
// `first_response` is that of its first piece.
struct TokenRange {
  ObjectiveBatch batch;
  int64_t first_response;
};
TokenRange slice_tokens(const ObjectiveBatch& batch, int64_t begin, int64_t end);

struct ObjectiveResult {
  at::Tensor loss;  // scalar with its graph
  // float64 on the tokens' device, additive over micro-batches: total_loss, pg_loss, pg_clipfrac_higher,
  // pg_clipfrac_lower, ppo_kl, entropy_loss, and where present kl_loss, kl_prcp_loss (= -K), aug_entropy_loss,
  // ori_entropy_loss, sft_loss. The names depend on the spec and on what the batch has.
  std::vector<std::string> metric_names;
  at::Tensor metrics;
  at::Tensor perception_kl_sums;  // [n] float64: the unweighted estimate over each response; undefined without kl_prcp
  int64_t num_tokens = 0;
};

// Source: update_policy in the reference's dp_actor.py. Differs: the averages are over the whole optimizer batch
// (weights), not per micro-batch. E_SHAPE, E_DTYPE or E_VALUE when a tensor or a weight that the spec needs is
// missing or has another size or dtype.
ObjectiveResult objective(const ObjectiveSpec& spec, const ObjectiveBatch& batch);

// By the kernel of a device; of a separable spec, the batch checked.
ObjectiveResult objective_device(const ObjectiveSpec& spec, const ObjectiveBatch& batch, const Ragged& ragged);

}  // namespace papo
