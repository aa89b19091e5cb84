#include "kernels/objective.cuh"

#include "kernels/wide.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 512;
constexpr float kMaxLogRatio = 20.0f;
constexpr float kMaxK3 = 10.0f;

// ObjectiveSettings in the arithmetic of the tokens; the sums use the doubles themselves.
struct Settings {
  float log_low, log_high;  // bounds of the clipped log ratio
  float dual;
  bool has_dual, has_prcp_clip;
  float prcp_clip;
  KlKind kl_ref, kl_prcp;
  float kl_ref_coef, kl_prcp_coef, ori_entropy_coef, aug_entropy_coef, sft_coef;
};

// A value and its derivative.
struct Dual {
  float value, slope;
};

PAPO_DEVICE Dual clamped(Dual x, float low, float high) {
  // nan stays nan, as in at::clamp, with slope 0.
  const bool inside = x.value >= low && x.value <= high;
  return {x.value < low ? low : x.value > high ? high : x.value, inside ? x.slope : 0.0f};
}

// Of log-probs x against y; slope is d/dx, and d/dy is its negative for every estimator.
PAPO_DEVICE Dual kl_estimate(float x, float y, KlKind kind) {
  const float difference = x - y;
  if (kind == KlKind::kK1) return {difference, 1.0f};
  if (kind == KlKind::kAbs) return {fabsf(difference), difference > 0 ? 1.0f : difference < 0 ? -1.0f : 0.0f};
  if (kind == KlKind::kMse) return {difference * difference * 0.5f, difference};
  const Dual s = clamped({y - x, -1.0f}, -kMaxLogRatio, kMaxLogRatio);
  const float ratio = expf(s.value);
  return clamped({ratio - s.value - 1, (ratio - 1) * s.slope}, -kMaxK3, kMaxK3);
}

// Share of the gradient that the first of two operands of maximum or minimum gets: a half at a tie.
PAPO_DEVICE float share_of_larger(float own, float other) { return own < other ? 0.0f : own == other ? 0.5f : 1.0f; }
PAPO_DEVICE float share_of_smaller(float own, float other) { return share_of_larger(other, own); }

struct Policy {
  Dual loss;
  float kl;
  bool clipped_higher, clipped_lower;
};

PAPO_DEVICE Policy ppo(float log_prob, float old_log_prob, float advantage, const Settings& settings) {
  const Dual log_ratio = clamped({log_prob - old_log_prob, 1.0f}, -kMaxLogRatio, kMaxLogRatio);
  const Dual clipped_log_ratio = clamped(log_ratio, settings.log_low, settings.log_high);
  const float plain = -advantage * expf(log_ratio.value), clipped = -advantage * expf(clipped_log_ratio.value);
  Policy out{{plain < clipped ? clipped : plain, 0}, -log_ratio.value, plain < clipped, false};
  out.loss.slope = share_of_larger(plain, clipped) * plain * log_ratio.slope +
                   share_of_larger(clipped, plain) * clipped * clipped_log_ratio.slope;
  if (settings.has_dual && advantage < 0) {
    const float cap = -advantage * settings.dual;
    out.clipped_lower = out.loss.value > cap;
    out.loss.slope *= share_of_smaller(out.loss.value, cap);
    if (out.clipped_lower) out.loss.value = cap;
  }
  return out;
}

// A weight of 0 drops its value, infinities and nan included.
PAPO_DEVICE double weighed(float value, float weight) {
  return weight == 0 ? 0.0 : static_cast<double>(value) * weight;
}
PAPO_DEVICE float slope_of(float slope, float weight, float coef) {
  return weight == 0 || coef == 0 ? 0.0f : slope * weight * coef;
}

struct Gradients {
  float own, aug;
};

PAPO_DEVICE Gradients add_token(const Settings& settings, const ObjectiveTokens& tokens,
                                const ObjectiveWeights& weights, const ObjectiveOutputs& outputs, int64_t token,
                                double (&sums)[kNumObjectiveSums]) {
  const int response = tokens.response_R[token];
  const float log_prob = tokens.log_probs_R[token];
  const float loss_weight = weights.loss_weights[response], token_weight = weights.token_weights[response];
  const float pg_weight = weights.pg_weights != nullptr ? weights.pg_weights[response] : loss_weight;
  const float advantage = tokens.advantages_R != nullptr ? tokens.advantages_R[token] : weights.advantages[response];
  Gradients grad{0, 0};

  const Policy policy = ppo(log_prob, tokens.old_log_probs_R[token], advantage, settings);
  sums[kPgLoss] += weighed(policy.loss.value, pg_weight);
  sums[kClippedHigher] += policy.clipped_higher ? token_weight : 0.0f;
  sums[kClippedLower] += policy.clipped_lower ? token_weight : 0.0f;
  sums[kPpoKl] += weighed(policy.kl, token_weight);
  sums[kEntropyLoss] += weighed(-log_prob, loss_weight);
  sums[kOriEntropyLoss] += weighed(-log_prob, token_weight);
  grad.own += slope_of(policy.loss.slope, pg_weight, 1.0f);
  grad.own += slope_of(-1.0f, token_weight, settings.ori_entropy_coef);

  if (settings.kl_ref != KlKind::kAbsent) {
    const Dual kl = kl_estimate(log_prob, tokens.ref_log_probs_R[token], settings.kl_ref);
    sums[kKlLoss] += weighed(kl.value, loss_weight);
    grad.own += slope_of(kl.slope, loss_weight, settings.kl_ref_coef);
  }
  if (tokens.aug_log_probs_R != nullptr) {
    const float aug = tokens.aug_log_probs_R[token];
    sums[kAugEntropyLoss] += weighed(-aug, token_weight);
    grad.aug += slope_of(-1.0f, token_weight, settings.aug_entropy_coef);
    if (settings.kl_prcp != KlKind::kAbsent) {
      const float prcp_weight = weights.prcp_weights != nullptr ? weights.prcp_weights[response] : 1.0f;
      const Dual kl = kl_estimate(log_prob, aug, settings.kl_prcp);
      if (outputs.perception_kl_R != nullptr) outputs.perception_kl_R[token] = kl.value;
      // Dropped tokens are 0 with slope 0: 0 is inside the clip.
      Dual term = prcp_weight == 0 ? Dual{0, 0} : Dual{kl.value * prcp_weight, kl.slope * prcp_weight};
      if (settings.has_prcp_clip) term = clamped(term, 0.0f, settings.prcp_clip);
      sums[kKlPrcpLoss] -= weighed(term.value, loss_weight);
      const float slope = slope_of(-term.slope, loss_weight, settings.kl_prcp_coef);
      grad.own += slope;
      grad.aug -= slope;
    }
  }
  if (weights.sft_weights != nullptr) {
    const float sft_weight = weights.sft_weights[response];
    sums[kSftLoss] += weighed(-log_prob, sft_weight);
    grad.own += slope_of(-1.0f, sft_weight, settings.sft_coef);
  }
  return grad;
}

// work: [blocks, kNumObjectiveSums]. At most 84 registers: 3 blocks an SM.
__global__ void __launch_bounds__(kThreads, 3)
    objective_kernel(Settings settings, ObjectiveTokens tokens, ObjectiveWeights weights, ObjectiveOutputs outputs) {
  PAPO_SHARED(double, scratch, kWarp);
  double sums[kNumObjectiveSums] = {};
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t token = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; token < tokens.num_tokens;
       token += stride) {
    const Gradients grad = add_token(settings, tokens, weights, outputs, token, sums);
    outputs.grad_R[token] = grad.own;
    if (outputs.aug_grad_R != nullptr) outputs.aug_grad_R[token] = grad.aug;
  }
#pragma unroll
  for (int i = 0; i < kNumObjectiveSums; ++i) {
    const double sum = wide_block_sum(sums[i], scratch);
    if (threadIdx.x == 0) outputs.work[blockIdx.x * kNumObjectiveSums + i] = sum;
  }
}

struct Coefficients {
  double of[kNumObjectiveSums];
};

// One warp a sum, blocks in a fixed order.
__global__ void __launch_bounds__(kNumObjectiveSums* kWarp)
    objective_sums_kernel(const double* work, int blocks, Coefficients coefficients, double* sums) {
  PAPO_SHARED(double, totals, kNumObjectiveSums);
  const int which = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  double sum = 0;
  for (int block = lane; block < blocks; block += kWarp) sum += work[block * kNumObjectiveSums + which];
  sum = wide_warp_sum(sum);
  if (lane == 0) totals[which] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double loss = 0;
#pragma unroll
  for (int i = 0; i < kNumObjectiveSums; ++i) {
    const double total = totals[i];
    if (i != kTotalLoss) sums[i] = total;
    // A coefficient of 0 leaves a term out, infinities included.
    if (coefficients.of[i] != 0) loss += coefficients.of[i] * total;
  }
  sums[kTotalLoss] = loss;
}

int num_blocks(int64_t num_tokens) {
  const int64_t wanted = ceil_div<int64_t>(num_tokens, kThreads);
  return static_cast<int>(wanted < 1 ? 1 : wanted > kMaxBlocks ? kMaxBlocks : wanted);
}

bool is_complete(const ObjectiveSettings& settings, const ObjectiveTokens& tokens, const ObjectiveWeights& weights) {
  const bool needs_aug = settings.kl_prcp != KlKind::kAbsent || settings.aug_entropy_coef != 0;
  return (tokens.advantages_R != nullptr || weights.advantages != nullptr) &&
         (settings.kl_ref == KlKind::kAbsent || tokens.ref_log_probs_R != nullptr) &&
         (!needs_aug || tokens.aug_log_probs_R != nullptr) &&
         (settings.sft_coef == 0 || weights.sft_weights != nullptr);
}

}  // namespace

int64_t objective_work_doubles(int64_t num_tokens) { return num_blocks(num_tokens) * int64_t{kNumObjectiveSums}; }

cudaError_t objective(const ObjectiveSettings& settings, const ObjectiveTokens& tokens, const ObjectiveWeights& weights,
                      const ObjectiveOutputs& outputs, cudaStream_t stream) {
  if (!is_complete(settings, tokens, weights)) return cudaErrorInvalidValue;
  const Settings device{static_cast<float>(std::log(1.0 - settings.clip_low)),
                        static_cast<float>(std::log(1.0 + settings.clip_high)),
                        static_cast<float>(settings.clip_dual),
                        settings.clip_dual != 0,
                        settings.kl_prcp_clip >= 0,
                        static_cast<float>(settings.kl_prcp_clip),
                        settings.kl_ref,
                        settings.kl_prcp,
                        static_cast<float>(settings.kl_ref_coef),
                        static_cast<float>(settings.kl_prcp_coef),
                        static_cast<float>(settings.ori_entropy_coef),
                        static_cast<float>(settings.aug_entropy_coef),
                        static_cast<float>(settings.sft_coef)};
  const int blocks = num_blocks(tokens.num_tokens);
  const cudaError_t error = PAPO_LAUNCH(objective_kernel, blocks, kThreads, stream, device, tokens, weights, outputs);
  if (error != cudaSuccess) return error;
  Coefficients coefficients{};
  coefficients.of[kPgLoss] = 1;
  coefficients.of[kKlLoss] = settings.kl_ref_coef;
  coefficients.of[kKlPrcpLoss] = settings.kl_prcp_coef;
  coefficients.of[kAugEntropyLoss] = settings.aug_entropy_coef;
  coefficients.of[kOriEntropyLoss] = settings.ori_entropy_coef;
  coefficients.of[kSftLoss] = settings.sft_coef;
  return PAPO_LAUNCH(objective_sums_kernel, 1, kNumObjectiveSums * kWarp, stream, outputs.work, blocks, coefficients,
                     outputs.sums);
}

KernelCost objective_cost(const ObjectiveTokens& tokens, const ObjectiveOutputs& outputs) {
  int arrays = 4;  // log-probs, old ones, responses, gradient
  for (const void* optional :
       {static_cast<const void*>(tokens.ref_log_probs_R), static_cast<const void*>(tokens.aug_log_probs_R),
        static_cast<const void*>(tokens.advantages_R), static_cast<const void*>(outputs.aug_grad_R),
        static_cast<const void*>(outputs.perception_kl_R)})
    arrays += optional != nullptr;
  const double count = static_cast<double>(tokens.num_tokens);
  return {4.0 * arrays * count, 60.0 * count};
}

}  // namespace papo::kernels
