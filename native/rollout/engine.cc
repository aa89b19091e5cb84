#include "rollout/engine.h"

#include <list>

#include "core/parallel.h"
#include "core/vec.h"
#include "rollout/decoder.h"

namespace papo {
namespace {

struct LiveResponse {
  DecodingResponse decoding;
  RandomStream stream;
  SampledResponse* out;
};

// A prompt with responses still in the batch.
struct LiveGroup {
  PrefilledPrompt prompt;
  std::list<LiveResponse> responses;
};

class Engine {
 public:
  Engine(const Policy& policy, const std::vector<PromptInput>& prompts, const GenerateSpec& spec, const Watch& watch)
      : policy_(policy), prompts_(prompts), spec_(spec), watch_(watch), decoder_(policy), out_(prompts.size()) {
    for (auto& group : out_) group.resize(spec.n);
  }

  std::vector<std::vector<SampledResponse>> run() {
    at::NoGradGuard no_grad;
    while (next_prompt_ < prompts_.size() || num_live_ > 0) {
      poll_cancel();
      admit();
      if (num_live_ > 0) decode();
    }
    return std::move(out_);
  }

 private:
  // Prefills the prompts whose responses fit and samples their first tokens.
  void admit() {
    std::vector<const PromptInput*> entering;
    int64_t tokens = 0, entering_responses = 0;
    const size_t first = next_prompt_;
    while (next_prompt_ < prompts_.size()) {
      const auto& prompt = prompts_[next_prompt_];
      const int64_t length = static_cast<int64_t>(prompt.ids.size());
      const bool full = num_live_ + entering_responses + spec_.n > spec_.max_concurrent;
      const bool nothing_else = num_live_ == 0 && entering.empty();
      if ((full || tokens + length > spec_.prefill_tokens) && !nothing_else) break;
      entering.push_back(&prompt);
      tokens += length;
      entering_responses += spec_.n;
      ++next_prompt_;
    }
    if (entering.empty()) return;
    auto prefilled = decoder_.prefill(entering);
    for (size_t i = 0; i < entering.size(); ++i) {
      auto& group = live_.emplace_back();
      group.prompt = std::move(prefilled[i]);
      for (int64_t r = 0; r < spec_.n; ++r) {
        const RandomStream stream(spec_.seed, Purpose::kRolloutToken,
                                  {spec_.purpose, spec_.step, entering[i]->epoch, hash_id(entering[i]->example_id),
                                   static_cast<uint64_t>(r)});
        group.responses.push_back({{&group.prompt, ResponseKv(decoder_.kv_shape())}, stream, &out_[first + i][r]});
        ++num_live_;
      }
      std::vector<LiveResponse*> entered;
      for (auto& response : group.responses) entered.push_back(&response);
      sample(entered, decoder_.logits(group.prompt.last_hidden_1D).expand({spec_.n, -1}));
    }
    remove_finished();
  }

  void decode() {
    std::vector<LiveResponse*> live;
    std::vector<DecodingResponse*> decoding;
    std::vector<int64_t> tokens;
    for (auto& group : live_) {
      for (auto& response : group.responses) {
        live.push_back(&response);
        decoding.push_back(&response.decoding);
        tokens.push_back(response.out->ids.back());
      }
    }
    sample(live, decoder_.logits(decoder_.step(decoding, tokens)));
    remove_finished();
  }

  void sample(const std::vector<LiveResponse*>& live, const at::Tensor& logits_MV) {
    const int64_t vocab = logits_MV.size(1);
    // A row of work space ends on a whole vector.
    auto work = at::full({static_cast<int64_t>(live.size()), round_up(vocab, kLanes<float>)},
                         -std::numeric_limits<float>::infinity(), at::kFloat);
    work.narrow(1, 0, vocab).copy_(logits_MV);
    float* data = work.data_ptr<float>();
    parallel_tasks(static_cast<int64_t>(live.size()), [&](int64_t row) {
      float* logits = data + row * work.size(1);
      for (int64_t id : spec_.forbidden_ids)
        if (id >= 0 && id < vocab) logits[id] = -std::numeric_limits<float>::infinity();
      auto& response = *live[row];
      const auto position = response.out->ids.size();
      const int64_t token = sample_token(logits, vocab, spec_.sampling, response.stream, position);
      response.out->ids.push_back(token);
      response.out->stopped = std::find(spec_.stop_ids.begin(), spec_.stop_ids.end(), token) != spec_.stop_ids.end();
    });
  }

  void remove_finished() {
    for (auto group = live_.begin(); group != live_.end();) {
      num_live_ -= static_cast<int64_t>(std::erase_if(group->responses, [&](const LiveResponse& response) {
        return response.out->stopped || static_cast<int64_t>(response.out->ids.size()) >= spec_.max_tokens;
      }));
      group = group->responses.empty() ? live_.erase(group) : std::next(group);
    }
    const auto total = static_cast<int64_t>(prompts_.size()) * spec_.n;
    const auto entered = static_cast<int64_t>(next_prompt_) * spec_.n;
    watch_.report(entered - num_live_, total);
  }

  const Policy& policy_;
  const std::vector<PromptInput>& prompts_;
  const GenerateSpec& spec_;
  const Watch& watch_;
  const Decoder decoder_;
  std::vector<std::vector<SampledResponse>> out_;
  std::list<LiveGroup> live_;
  size_t next_prompt_ = 0;
  int64_t num_live_ = 0;
};

}  // namespace

std::vector<std::vector<SampledResponse>> generate(const Policy& policy, const std::vector<PromptInput>& prompts,
                                                   const GenerateSpec& spec, const Watch& watch) {
  check(spec.n >= 1 && spec.max_tokens >= 1, "generate", "n and max_tokens must be 1 or more", "E_VALUE");
  check(policy.options.dtype != at::kDouble, "generate", "decoding keeps its cache in float32", "E_DTYPE");
  return Engine(policy, prompts, spec, watch).run();
}

}  // namespace papo
