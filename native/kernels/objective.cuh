// The policy objective and its gradient in one pass over response tokens: the terms of rl/loss_terms.h weighed and
// added as rl/objective.cc does, with autograd's gradients (those of clamp and of maximum at ties included).
//
// Not here, because they need a pass over each response first or whole distributions: GSPO, klPrcp.tokenTopP, entropy
// over the vocabulary, and the perception KL's mean per response, for which perception_kl_R is left.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

enum class KlKind : int32_t { kAbsent, kK1, kAbs, kMse, kK3 };  // rl/kl.h

struct ObjectiveSettings {
  double clip_low = 0.2, clip_high = 0.3;
  double clip_dual = 0;  // 0: none, else > 1
  KlKind kl_ref = KlKind::kAbsent, kl_prcp = KlKind::kAbsent;
  double kl_ref_coef = 0, kl_prcp_coef = 0;
  double kl_prcp_clip = -1;  // upper bound of a token's perception KL; < 0: neither it nor the lower bound of 0
  double ori_entropy_coef = 0, aug_entropy_coef = 0, sft_coef = 0;
};

// [n] float32, one number a response; see ResponseWeights in rl/objective.h.
struct ObjectiveWeights {
  const float* advantages;  // may be null when advantages_R is given
  const float* loss_weights;
  const float* token_weights;
  const float* pg_weights = nullptr;    // null: loss_weights
  const float* prcp_weights = nullptr;  // null: 1
  const float* sft_weights = nullptr;   // null: no such term
};

// [R] float32, packed response tokens.
struct ObjectiveTokens {
  const float* log_probs_R;
  const float* old_log_probs_R;
  const float* ref_log_probs_R = nullptr;  // needed by kl_ref
  const float* aug_log_probs_R = nullptr;  // needed by kl_prcp and aug_entropy_coef
  const float* advantages_R = nullptr;     // null: the response's
  const int32_t* response_R;               // each token's response
  int64_t num_tokens;
};

// Sums over the tokens, weighed; kTotal adds the losses times their coefficients. Additive over micro-batches, but for
// rounding. Terms that are absent give 0.
enum ObjectiveSum {
  kTotalLoss,
  kPgLoss,
  kClippedHigher,  // pg_clipfrac_higher
  kClippedLower,
  kPpoKl,
  kEntropyLoss,
  kKlLoss,
  kKlPrcpLoss,  // -K
  kAugEntropyLoss,
  kOriEntropyLoss,
  kSftLoss,
  kNumObjectiveSums
};

struct ObjectiveOutputs {
  float* grad_R;                     // d loss / d log_probs
  float* aug_grad_R = nullptr;       // d loss / d aug_log_probs; null: not wanted
  float* perception_kl_R = nullptr;  // unweighed estimate of kl_prcp; null: not wanted
  double* sums;                      // [kNumObjectiveSums]
  double* work;                      // [objective_work_doubles(num_tokens)]
};

int64_t objective_work_doubles(int64_t num_tokens);

// Two launches. A weight of 0 drops its token whatever the log-probs hold. cudaErrorInvalidValue when an input that the
// settings need is null.
cudaError_t objective(const ObjectiveSettings& settings, const ObjectiveTokens& tokens, const ObjectiveWeights& weights,
                      const ObjectiveOutputs& outputs, cudaStream_t stream);

KernelCost objective_cost(const ObjectiveTokens& tokens, const ObjectiveOutputs& outputs);

}  // namespace papo::kernels
