#include "rl/log_probs.h"

#include "core/error.h"

namespace papo {
namespace {

std::vector<int64_t> lengths_of(const GroupBatch& batch) {
  std::vector<int64_t> lengths;
  for (const auto& group : batch.groups)
    for (const auto& response : group.responses) lengths.push_back(static_cast<int64_t>(response.size()));
  return lengths;
}

}  // namespace

std::shared_ptr<LogProbs> log_probs_of(const GroupBatch& batch, const TokenScores& scores) {
  return std::make_shared<LogProbs>(LogProbs{scores.log_probs_N, scores.entropy_N, lengths_of(batch)});
}

std::shared_ptr<LogProbs> given_log_probs(const Policy& policy, const GroupBatch& batch,
                                          const std::vector<std::vector<float>>& rows) {
  constexpr const char* op = "create_log_probs";
  const auto lengths = lengths_of(batch);
  check(rows.size() == lengths.size(), op,
        "expected log-probs of " + std::to_string(lengths.size()) + " responses, got " + std::to_string(rows.size()));
  std::vector<float> packed;
  for (size_t i = 0; i < rows.size(); ++i) {
    check(static_cast<int64_t>(rows[i].size()) == lengths[i], op,
          "response " + std::to_string(i) + ": expected " + std::to_string(lengths[i]) +
              " log-probs, one a token, got " + std::to_string(rows[i].size()));
    packed.insert(packed.end(), rows[i].begin(), rows[i].end());
  }
  const auto type = policy.options.dtype == at::kDouble ? at::kDouble : at::kFloat;
  return std::make_shared<LogProbs>(LogProbs{to_device(packed).to(type), {}, lengths});
}

}  // namespace papo
