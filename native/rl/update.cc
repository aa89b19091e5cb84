#include "rl/update.h"

#include "core/device.h"
#include "core/error.h"
#include "core/flops.h"
#include "core/memory.h"
#include "ops/kl_divergence.h"

namespace papo {
namespace {

at::Tensor slice(const std::shared_ptr<const LogProbs>& scores, int64_t begin, int64_t end) {
  return scores ? scores->log_probs_R.slice(0, begin, end) : at::Tensor();
}

// KLs over the vocabulary need both distributions at hand.
void check_full_kl(const Policy& policy, const ObjectiveSpec& spec, const UpdateInputs& inputs) {
  constexpr const char* op = "forward_backward";
  check(!has_full_kl(spec.kl_prcp) || inputs.recompute != nullptr, op,
        "klPrcp.estimator: full needs recompute; of a constant masked branch only log-probs are kept", "E_VALUE");
  if (!has_full_kl(spec.kl_ref)) return;
  check(inputs.reference != nullptr, op, "klRef.estimator: full needs the reference itself", "E_VALUE");
  check(inputs.reference->options.device == policy.options.device &&
            inputs.reference->config.text.vocab_size == policy.config.text.vocab_size,
        op, "reference: expected the policy's device and vocabulary", "E_VALUE");
}

// A kernel would take another device's memory for its own.
void check_devices(const Policy& policy, const UpdateInputs& inputs) {
  for (const auto& scores :
       {inputs.old_log_probs, inputs.ref_log_probs, inputs.aug_log_probs, inputs.rollout_log_probs})
    check(!scores || scores->log_probs_R.device() == policy.store.flat().device(), "forward_backward",
          "log-probs: expected those of the policy's device", "E_VALUE");
  check(!inputs.advantages_R.defined() || inputs.advantages_R.device() == policy.store.flat().device(),
        "forward_backward", "token_advantages: expected those of the policy's device", "E_VALUE");
}

void check_inputs(const Policy& policy, const GroupBatch& batch, const ObjectiveSpec& spec,
                  const UpdateInputs& inputs) {
  constexpr const char* op = "forward_backward";
  check_full_kl(policy, spec, inputs);
  check_devices(policy, inputs);
  check(policy.options.trained, op, "the policy was opened without gradients", "E_VALUE");
  check(0 <= inputs.first_group && inputs.first_group < inputs.last_group &&
            inputs.last_group <= static_cast<int64_t>(batch.groups.size()),
        op, "the groups to update on lie outside the batch", "E_VALUE");
  const auto responses = batch.response_offsets();
  const int64_t count = responses[inputs.last_group] - responses[inputs.first_group];
  const auto& w = inputs.weights;
  for (const auto* values :
       {&w.advantages, &w.loss_weights, &w.token_weights, &w.pg_weights, &w.prcp_weights, &w.sft_weights})
    check(values->empty() || static_cast<int64_t>(values->size()) == count, op,
          "weights: expected " + std::to_string(count) + " numbers, one a response, got " +
              std::to_string(values->size()));
  check(!inputs.rollout_log_probs || inputs.rollout_log_probs->log_probs_R.size(0) == batch.token_offsets().back(), op,
        "rollout_log_probs: expected " + std::to_string(batch.token_offsets().back()) + " tokens, those of the batch");
}

// What of the optimizer batch belongs to a micro-batch, but for the policy's own log-probs.
ObjectiveBatch micro_objective(const UpdateInputs& inputs, const MicroBatch& part, int64_t first_response,
                               bool full_entropy) {
  ObjectiveBatch micro;
  for (const auto& group : part.groups)
    for (const auto& response : group.responses)
      micro.response_lengths.push_back(static_cast<int64_t>(response.size()));
  const int64_t begin = part.first_token, end = begin + part.num_tokens();
  micro.old_log_probs_R = slice(inputs.old_log_probs, begin, end);
  micro.ref_log_probs_R = slice(inputs.ref_log_probs, begin, end);
  micro.aug_log_probs_R = slice(inputs.aug_log_probs, begin, end);
  if (full_entropy && inputs.aug_log_probs && inputs.aug_log_probs->entropy_R.defined())
    micro.aug_entropy_R = inputs.aug_log_probs->entropy_R.slice(0, begin, end);
  if (inputs.advantages_R.defined()) micro.advantages_R = inputs.advantages_R.slice(0, begin, end);
  micro.weights = inputs.weights.slice(part.first_response - first_response,
                                       part.first_response - first_response + part.num_responses());
  return micro;
}

// Adds the gradients of micro-batches. Metrics and perception KL stay on the device until the report.
class MicroStep {
 public:
  MicroStep(const Policy& policy, const ObjectiveSpec& spec, const UpdateInputs& inputs)
      : policy_(policy), spec_(spec), inputs_(inputs) {}

  // Without response tokens.
  void skip(const ObjectiveBatch& micro) { begin_responses(micro); }

  // The gradient of the log-probs is formed while the logits are there.
  void separable(const MicroBatch& part, ObjectiveBatch micro, const Recomputed& recomputed) {
    std::vector<ViewedGroup> plain;
    for (const auto& group : part.groups) plain.push_back({&group, nullptr});
    const auto packed = pack_groups(policy_, plain, recomputed);
    const auto hidden_RD = predicting_hidden(policy_, packed);
    const auto targets_R = to_device(packed.targets);
    const auto kl_sums = begin_responses(micro);
    const auto loss_gradient = [&](const at::Tensor& log_probs_C, int64_t begin) {
      at::AutoGradMode with_grad(true);
      auto [chunk, first] = slice_tokens(micro, begin, begin + log_probs_C.size(0));
      chunk.log_probs_R = log_probs_C.detach().set_requires_grad(true);
      if (!chunk.old_log_probs_R.defined()) chunk.old_log_probs_R = log_probs_C.detach();
      const auto result = objective(spec_, chunk);
      add(result, kl_sums, first);
      if (!result.loss.requires_grad()) return at::zeros_like(log_probs_C);  // every coefficient is 0
      return torch::autograd::grad({result.loss}, {chunk.log_probs_R})[0];
    };
    HeadOptions options{inputs_.temperature};
    options.chunk_bytes = inputs_.chunk_bytes;
    const auto head = [&] {
      const FlopScope scope(FlopPhase::kHead);
      return head_gradient(hidden_RD.detach(), policy_.language.head, targets_R, options, loss_gradient);
    }();
    measure_rollout(head.log_probs_N, part.first_token);
    if (hidden_RD.requires_grad()) torch::autograd::backward({hidden_RD}, {head.grad_hidden_ND});
  }

  // Log-probs first, then their loss: the head's logits are formed again in the backward pass.
  void whole(const MicroBatch& part, ObjectiveBatch micro, const Recomputed& recomputed) {
    std::vector<const GroupInput*> groups;
    for (const auto& group : part.groups) groups.push_back(&group);
    const auto score = [&](const PredictingRows& rows) {
      return score_rows(policy_, rows, inputs_.temperature, spec_.full_entropy);
    };
    const auto rows = predicting_rows(policy_, groups, nullptr, recomputed);
    const auto scores = score(rows);
    measure_rollout(scores.log_probs_N.detach(), part.first_token);
    micro.log_probs_R = scores.log_probs_N;
    micro.entropy_R = scores.entropy_N;
    if (!micro.old_log_probs_R.defined()) micro.old_log_probs_R = scores.log_probs_N.detach();
    if (inputs_.recompute != nullptr) {
      const auto masked_rows = predicting_rows(policy_, groups, inputs_.recompute, recomputed);
      const auto masked = score(masked_rows);
      micro.aug_log_probs_R = masked.log_probs_N;
      micro.aug_entropy_R = masked.entropy_N;
      if (has_full_kl(spec_.kl_prcp))
        micro.aug_kl_R = full_kl(rows.hidden_RD, {masked_rows.hidden_RD, policy_.language.head});
    }
    if (has_full_kl(spec_.kl_ref)) micro.ref_kl_R = full_kl(rows.hidden_RD, reference_rows(groups));
    const auto result = objective(spec_, micro);
    torch::autograd::backward({result.loss}, {});
    add(result, begin_responses(micro), 0);
  }

  UpdateReport report() const {
    UpdateReport out;
    out.num_tokens = num_tokens_;
    std::vector<at::Tensor> parts{metrics_, rollout_difference_};
    parts.insert(parts.end(), kl_sums_.begin(), kl_sums_.end());
    auto values = to_doubles(at::cat(parts));
    const auto rollout = values.begin() + static_cast<int64_t>(names_.size());
    if (inputs_.rollout_log_probs)
      out.rollout_difference = {rollout[0], rollout[1] / static_cast<double>(std::max<int64_t>(1, num_tokens_))};
    values.erase(rollout, rollout + 2);
    for (size_t i = 0; i < names_.size(); ++i) out.metrics.emplace_back(names_[i], values[i]);
    for (size_t i = 0; i < lengths_.size() && spec_.kl_prcp; ++i)
      out.perception_kl.push_back(values[names_.size() + i] / static_cast<double>(std::max<int64_t>(1, lengths_[i])));
    return out;
  }

 private:
  // Their sums of the perception KL, to be added to; undefined without it.
  at::Tensor begin_responses(const ObjectiveBatch& micro) {
    lengths_.insert(lengths_.end(), micro.response_lengths.begin(), micro.response_lengths.end());
    if (!spec_.kl_prcp) return {};
    const auto count = static_cast<int64_t>(micro.response_lengths.size());
    return kl_sums_.emplace_back(at::zeros({count}, at::TensorOptions(at::kDouble).device(tensor_device())));
  }
  HeadInput reference_rows(const std::vector<const GroupInput*>& groups) const {
    const at::NoGradGuard no_grad;
    const auto& reference = *inputs_.reference;
    return {predicting_rows(reference, groups, nullptr).hidden_RD, {reference.language.head.value.detach(), {}}};
  }
  // [R] KL over the vocabulary of the policy to what the other hidden states predict.
  at::Tensor full_kl(const at::Tensor& hidden_RD, const HeadInput& other) const {
    const FlopScope scope(FlopPhase::kHead);
    return kl_divergence({hidden_RD, policy_.language.head}, other, {inputs_.temperature});
  }
  // Of the tokens [first_token, ...) of the batch.
  void measure_rollout(const at::Tensor& log_probs_R, int64_t first_token) {
    if (!inputs_.rollout_log_probs) return;
    const auto rollout_R = slice(inputs_.rollout_log_probs, first_token, first_token + log_probs_R.size(0));
    const auto difference_R = (log_probs_R - rollout_R).abs().to(at::kDouble);
    rollout_difference_[0].copy_(at::maximum(rollout_difference_[0], difference_R.max()));
    rollout_difference_[1].add_(difference_R.sum());
  }
  // `first`: the response that the result's first one is.
  void add(const ObjectiveResult& result, const at::Tensor& kl_sums, int64_t first) {
    names_ = result.metric_names;
    metrics_ = num_tokens_ == 0 ? result.metrics : metrics_ + result.metrics;
    num_tokens_ += result.num_tokens;
    if (kl_sums.defined()) kl_sums.narrow(0, first, result.perception_kl_sums.size(0)).add_(result.perception_kl_sums);
  }

  const Policy& policy_;
  const ObjectiveSpec& spec_;
  const UpdateInputs& inputs_;
  std::vector<std::string> names_;
  at::Tensor metrics_ = at::zeros({0}, at::TensorOptions(at::kDouble).device(tensor_device()));
  at::Tensor rollout_difference_ = at::zeros({2}, metrics_.options());  // max, sum
  std::vector<at::Tensor> kl_sums_;                                     // [n] of each micro-batch
  std::vector<int64_t> lengths_;                                        // of all responses so far
  int64_t num_tokens_ = 0;
};

UpdateReport add_gradient(Policy& policy, const GroupBatch& batch, const ObjectiveSpec& spec,
                          const UpdateInputs& inputs, const Watch& watch) {
  at::AutoGradMode with_grad(true);
  const int64_t first_response = batch.response_offsets()[inputs.first_group];
  PassRows rows = pass_rows(nullptr);
  if (inputs.recompute != nullptr) {  // both branches' activations are held until the backward pass
    const auto masked = pass_rows(inputs.recompute);
    rows = {rows.prompt_a_group + masked.prompt_a_group, masked.prompt_a_response, rows.response + masked.response};
  }
  const bool separable = is_separable(spec) && inputs.recompute == nullptr;
  const UpdateForm form{number_form(policy.options.device, policy.options.dtype), !policy.options.freeze_vision_tower,
                        separable, inputs.chunk_bytes};
  const auto available = static_cast<double>(available_memory()), before = static_cast<double>(tensor_memory());
  MicroStep step(policy, spec, inputs);
  Recomputed most;
  double most_bytes = 0;
  for (const auto& part : cut_micro_batches(batch, inputs.first_group, inputs.last_group, inputs.max_tokens, rows)) {
    poll_cancel();
    auto micro = micro_objective(inputs, part, first_response, spec.full_entropy);
    if (part.num_tokens() == 0) {
      step.skip(micro);
      continue;
    }
    const auto [recomputed, bytes] =
        choose_recomputed(policy, form, update_rows(part.groups, inputs.recompute), available);
    most = {std::max(most.layers, recomputed.layers), std::max(most.blocks, recomputed.blocks)};
    most_bytes = std::max(most_bytes, bytes);
    if (separable)
      step.separable(part, std::move(micro), recomputed);
    else
      step.whole(part, std::move(micro), recomputed);
    watch.report(part.groups_done, inputs.last_group - inputs.first_group);
  }
  auto report = step.report();
  report.recomputed = most;
  report.predicted_peak = before + most_bytes;
  return report;
}

}  // namespace

UpdateReport forward_backward(Policy& policy, const GroupBatch& batch, const ObjectiveSpec& spec,
                              const UpdateInputs& inputs, const Watch& watch) {
  check_inputs(policy, batch, spec, inputs);
  drop_stale_embeds(policy, batch);
  try {
    return add_gradient(policy, batch, spec, inputs, watch);
  } catch (...) {
    policy.store.zero_grad();  // half an optimizer batch must not reach the next one
    throw;
  }
}

}  // namespace papo
