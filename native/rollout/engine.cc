#include "rollout/engine.h"

#include <list>

#include "rollout/decoder.h"

namespace papo {
namespace {

struct LiveResponse {
  std::unique_ptr<DecodingResponse> decoding;
  RandomStream stream;
  const std::string* example_id;
  int64_t index;  // among those to its prompt
  SampledResponse* out;
};

// A prompt with responses in the batch or still to enter it.
struct LiveGroup {
  size_t index;  // of the prompt
  std::unique_ptr<PrefilledPrompt> prompt;
  at::Tensor first_logits_1V;
  int64_t entered = 0;  // responses so far
  std::list<LiveResponse> responses;
};

class Engine {
 public:
  Engine(const Policy& policy, const std::vector<PromptInput>& prompts, const GenerateSpec& spec, const Watch& watch)
      : prompts_(prompts), spec_(spec), watch_(watch), decoder_(make_decoder(policy)), out_(prompts.size()) {
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
          between_prompts ? decoder_->prompt_bytes(static_cast<int64_t>(prompts_[next_prompt_].ids.size())) : 0;
      if (!has_memory(prompt_bytes)) return;
      if (between_prompts) {
        auto prompt = decoder_->prefill(prompts_[next_prompt_]);
        auto first_logits_1V = decoder_->logits(prompt->last_hidden_1D);
        live_.push_back({next_prompt_, std::move(prompt), std::move(first_logits_1V), 0, {}});
        ++next_prompt_;
      }
      enter(live_.back());
    }
  }

  // Room for one more response and `more` bytes, when everything that lives grows to max_tokens.
  bool has_memory(int64_t more) const {
    const int64_t whole = decoder_->response_bytes(spec_.max_tokens);
    int64_t growth = more + whole;
    for (const auto& group : live_)
      for (const auto& response : group.responses)
        growth += whole - decoder_->response_bytes(response.decoding->num_tokens);
    const int64_t available = decoder_->available_bytes();
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
    group.responses.push_back(
        {decoder_->begin(*group.prompt), stream, &prompt.example_id, group.entered, &out_[group.index][group.entered]});
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
        decoding.push_back(response.decoding.get());
        tokens.push_back(response.out->ids.back());
      }
    }
    sample(live, decoder_->logits(decoder_->step(decoding, tokens)));
    remove_finished();
  }

  void sample(const std::vector<LiveResponse*>& live, const at::Tensor& logits_MV) {
    std::vector<SampleRow> rows;
    for (const auto* response : live)
      rows.push_back({&response->stream, response->out->ids.size(), response->example_id, response->index});
    const auto sampled = decoder_->sample(logits_MV, rows, spec_.sampling, spec_.forbidden_ids);
    for (size_t row = 0; row < live.size(); ++row) {
      auto& out = *live[row]->out;
      out.ids.push_back(sampled.ids[row]);
      out.log_probs.push_back(sampled.log_probs[row]);
      out.stopped = std::find(spec_.stop_ids.begin(), spec_.stop_ids.end(), out.ids.back()) != spec_.stop_ids.end();
    }
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

  const std::vector<PromptInput>& prompts_;
  const GenerateSpec& spec_;
  const Watch& watch_;
  const std::unique_ptr<Decoder> decoder_;
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
