#include "rollout/engine.h"

#include <list>

#include "core/parallel.h"
#include "core/vec.h"
#include "rollout/decoder.h"
#include "rollout/memory.h"

namespace papo {
namespace {

struct LiveResponse {
  DecodingResponse decoding;
  RandomStream stream;
  SampledResponse* out;
};

// A prompt with responses in the batch or still to enter it.
struct LiveGroup {
  size_t index;  // of the prompt
  PrefilledPrompt prompt;
  at::Tensor first_logits_1V;
  int64_t entered = 0;  // responses so far
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
    while (next_prompt_ < prompts_.size() || !live_.empty()) {
      poll_cancel();
      admit();
      if (num_live_ > 0) decode();
    }
    return std::move(out_);
  }

 private:
  // Lets responses enter, prompt after prompt, while there is room, and samples their first tokens.
  void admit() {
    while (num_live_ < spec_.max_concurrent) {
      const bool between_prompts = live_.empty() || live_.back().entered == spec_.n;
      if (between_prompts && next_prompt_ == prompts_.size()) return;
      const int64_t prompt_bytes =
          between_prompts ? PromptKv::bytes(shape(), static_cast<int64_t>(prompts_[next_prompt_].ids.size())) : 0;
      if (!has_memory(prompt_bytes)) return;
      if (between_prompts) {
        auto prompt = decoder_.prefill(prompts_[next_prompt_]);
        auto first_logits_1V = decoder_.logits(prompt.last_hidden_1D);
        live_.push_back({next_prompt_, std::move(prompt), std::move(first_logits_1V), 0, {}});
        ++next_prompt_;
      }
      enter(live_.back());
    }
  }

  // Room for one more response and `more` bytes, when everything that lives grows to max_tokens.
  bool has_memory(int64_t more) const {
    int64_t growth = more + ResponseKv::bytes(shape(), spec_.max_tokens);
    for (const auto& group : live_)
      for (const auto& response : group.responses)
        growth += ResponseKv::bytes(shape(), spec_.max_tokens) -
                  ResponseKv::bytes(shape(), response.decoding.kv.num_tokens());
    const int64_t available = available_memory();
    if (growth <= available) return true;
    check(num_live_ > 0, "generate",
          "the keys and values of one response may need " + std::to_string(growth >> 20) + " MiB and " +
              std::to_string(available >> 20) +
              " MiB are free: lower data.maxResponseLength (rollout.maxConcurrentResponses is down to one already)",
          "E_OOM");
    return false;
  }

  void enter(LiveGroup& group) {
    const auto& prompt = prompts_[group.index];
    const RandomStream stream(
        spec_.seed, Purpose::kRolloutToken,
        {spec_.purpose, spec_.step, prompt.epoch, hash_id(prompt.example_id), static_cast<uint64_t>(group.entered)});
    group.responses.push_back({{&group.prompt, ResponseKv(shape())}, stream, &out_[group.index][group.entered]});
    ++group.entered;
    ++num_live_;
    sample({&group.responses.back()}, group.first_logits_1V.clone());
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

  // A row of the sampler's work space ends on a whole vector; logits of such rows are it themselves.
  static at::Tensor whole_vectors(const at::Tensor& logits_MV) {
    const int64_t vocab = logits_MV.size(1), padded = round_up(vocab, kLanes<float>);
    if (padded == vocab) return logits_MV;
    auto work = at::full({logits_MV.size(0), padded}, -std::numeric_limits<float>::infinity(), at::kFloat);
    work.narrow(1, 0, vocab).copy_(logits_MV);
    return work;
  }

  void sample(const std::vector<LiveResponse*>& live, const at::Tensor& logits_MV) {
    const int64_t vocab = logits_MV.size(1);
    const auto work = whole_vectors(logits_MV);
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
      const bool done = group->responses.empty() && group->entered == spec_.n;
      group = done ? live_.erase(group) : std::next(group);
    }
    const bool entering = !live_.empty() && live_.back().entered < spec_.n;
    const auto entered = static_cast<int64_t>(next_prompt_) * spec_.n - (entering ? spec_.n - live_.back().entered : 0);
    watch_.report(entered - num_live_, static_cast<int64_t>(prompts_.size()) * spec_.n);
  }

  const KvShape& shape() const { return decoder_.kv_shape(); }

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
  check(spec.n >= 1 && spec.max_tokens >= 1 && spec.max_concurrent >= 1, "generate",
        "n, max_tokens and max_concurrent must be 1 or more", "E_VALUE");
  check(policy.options.dtype != at::kDouble, "generate", "decoding keeps its cache in float32", "E_DTYPE");
  return Engine(policy, prompts, spec, watch).run();
}

}  // namespace papo
