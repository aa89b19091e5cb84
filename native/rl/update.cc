#include "rl/update.h"

#include "core/error.h"

namespace papo {
namespace {

at::Tensor slice(const std::shared_ptr<const LogProbs>& scores, int64_t begin, int64_t end) {
  return scores ? scores->log_probs_R.slice(0, begin, end) : at::Tensor();
}

void add_metrics(std::vector<std::pair<std::string, double>>& sums,
                 const std::vector<std::pair<std::string, double>>& more) {
  for (const auto& [name, value] : more) {
    auto found = std::find_if(sums.begin(), sums.end(), [&](const auto& sum) { return sum.first == name; });
    if (found == sums.end())
      sums.emplace_back(name, value);
    else
      found->second += value;
  }
}

void check_inputs(const Policy& policy, const GroupBatch& batch, const UpdateInputs& inputs) {
  constexpr const char* op = "forward_backward";
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
}

UpdateReport add_gradient(Policy& policy, const GroupBatch& batch, const ObjectiveSpec& spec,
                          const UpdateInputs& inputs, const Watch& watch) {
  at::AutoGradMode with_grad(true);
  const int64_t first_response = batch.response_offsets()[inputs.first_group];
  PassRows rows = pass_rows(nullptr);
  if (inputs.recompute != nullptr) {  // both branches' activations are held until the backward pass
    const auto masked = pass_rows(inputs.recompute);
    rows = {rows.prompt_a_group + masked.prompt_a_group, masked.prompt_a_response, rows.response + masked.response};
  }
  UpdateReport report;
  for (const auto& part : cut_micro_batches(batch, inputs.first_group, inputs.last_group, inputs.max_tokens, rows)) {
    poll_cancel();
    std::vector<const GroupInput*> groups;
    ObjectiveBatch micro;
    for (const auto& group : part.groups) {
      groups.push_back(&group);
      for (const auto& response : group.responses)
        micro.response_lengths.push_back(static_cast<int64_t>(response.size()));
    }
    const int64_t begin = part.first_token, end = begin + part.num_tokens();
    if (begin == end) {
      if (spec.kl_prcp) report.perception_kl.resize(report.perception_kl.size() + micro.response_lengths.size(), 0.0);
      continue;
    }
    const auto scores = score_groups(policy, groups, inputs.temperature, spec.full_entropy, nullptr);
    micro.log_probs_R = scores.log_probs_N;
    micro.entropy_R = scores.entropy_N;
    micro.old_log_probs_R =
        inputs.old_log_probs ? slice(inputs.old_log_probs, begin, end) : scores.log_probs_N.detach();
    micro.ref_log_probs_R = slice(inputs.ref_log_probs, begin, end);
    if (inputs.recompute != nullptr) {
      const auto masked = score_groups(policy, groups, inputs.temperature, spec.full_entropy, inputs.recompute);
      micro.aug_log_probs_R = masked.log_probs_N;
      micro.aug_entropy_R = masked.entropy_N;
    } else {
      micro.aug_log_probs_R = slice(inputs.aug_log_probs, begin, end);
      if (spec.full_entropy && inputs.aug_log_probs && inputs.aug_log_probs->entropy_R.defined())
        micro.aug_entropy_R = inputs.aug_log_probs->entropy_R.slice(0, begin, end);
    }
    if (inputs.advantages_R.defined()) micro.advantages_R = inputs.advantages_R.slice(0, begin, end);
    micro.weights = inputs.weights.slice(part.first_response - first_response,
                                         part.first_response - first_response + part.num_responses());
    const auto result = objective(spec, micro);
    torch::autograd::backward({result.loss}, {});
    add_metrics(report.metrics, result.metrics);
    report.perception_kl.insert(report.perception_kl.end(), result.perception_kl.begin(), result.perception_kl.end());
    report.num_tokens += result.num_tokens;
    watch.report(part.groups_done, inputs.last_group - inputs.first_group);
  }
  return report;
}

}  // namespace

UpdateReport forward_backward(Policy& policy, const GroupBatch& batch, const ObjectiveSpec& spec,
                              const UpdateInputs& inputs, const Watch& watch) {
  check_inputs(policy, batch, inputs);
  try {
    return add_gradient(policy, batch, spec, inputs, watch);
  } catch (...) {
    policy.store.zero_grad();  // half an optimizer batch must not reach the next one
    throw;
  }
}

}  // namespace papo
