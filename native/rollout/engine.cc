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

// Rounded up.
std::string mebibytes(int64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20); }

// A prompt that is on its way into the cache, or has responses in the batch or still to enter it.
struct LiveGroup {
  size_t index;  // of the prompt
  std::unique_ptr<CachedPrompt> prompt;
  at::Tensor first_logits_1V;
  int64_t entered = 0;  // responses so far
  std::list<LiveResponse> responses;
};

class Engine {
 public:
  Engine(const Policy& policy, const std::vector<PromptInput>& prompts, const GenerateSpec& spec, const Watch& watch)
      : prompts_(prompts),
        spec_(spec),
        watch_(watch),
        decoder_(make_decoder(policy)),
        kv_budget_(decoder_->available_bytes()),
        out_(prompts.size()) {
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
    std::vector<LiveResponse*> entered;
    std::vector<at::Tensor> first_logits;
    for (int64_t rows_left = spec_.prefill_tokens; num_live_ < spec_.max_concurrent;) {
      const bool between_prompts = live_.empty() || live_.back().entered == spec_.n;
      if (between_prompts && (next_prompt_ == prompts_.size() || !has_memory(prompts_[next_prompt_]))) break;
      if (between_prompts) {
        live_.push_back({next_prompt_, decoder_->open(prompts_[next_prompt_]), {}, 0, {}});
        ++next_prompt_;
      }
      auto& group = live_.back();
      if (!prefill(group, rows_left) || !has_memory()) break;
      entered.push_back(enter(group));
      first_logits.push_back(group.first_logits_1V);
    }
    if (entered.empty()) return;
    sample(entered, at::cat(first_logits));
    remove_finished();
  }

  // Whether all of the group's prompt is in the cache now. A chunk waits for the next step where it is more than this
  // one has left and responses wait to go on.
  bool prefill(LiveGroup& group, int64_t& rows_left) {
    auto& prompt = *group.prompt;
    while (!prompt.prefilled()) {
      const int64_t rows = std::min(spec_.prefill_tokens, prompt.num_tokens - prompt.num_prefilled);
      if (num_live_ > 0 && rows > rows_left) return false;
      decoder_->prefill(prompt, rows);
      rows_left -= rows;
      if (prompt.prefilled()) group.first_logits_1V = decoder_->logits(prompt.last_hidden_1D);
    }
    return true;
  }

  // Room for one more response, and for a prompt before it, when every response that lives grows to max_tokens.
  bool has_memory() const { return fits(0); }
  bool has_memory(const PromptInput& prompt) const {
    return fits(decoder_->prompt_bytes(static_cast<int64_t>(prompt.ids.size())));
  }
  bool fits(int64_t more) const {
    int64_t needed = more + (num_live_ + 1) * decoder_->response_bytes(spec_.max_tokens);
    for (const auto& group : live_) needed += decoder_->prompt_bytes(group.prompt->num_tokens);
    if (needed <= kv_budget_) return true;
    check(num_live_ > 0, "generate",
          "the keys and values of a prompt and one response may need " + mebibytes(needed) + " MiB and " +
              mebibytes(kv_budget_) +
              " MiB are free: lower data.maxResponseLength (rollout.maxConcurrentResponses is down to one already)",
          "E_OOM");
    return false;
  }

  LiveResponse* enter(LiveGroup& group) {
    const auto& prompt = prompts_[group.index];
    const RandomStream stream(
        spec_.seed, Purpose::kRolloutToken,
        {spec_.purpose, spec_.step, prompt.epoch, hash_id(prompt.example_id), static_cast<uint64_t>(group.entered)});
    group.responses.push_back(
        {decoder_->begin(*group.prompt), stream, &prompt.example_id, group.entered, &out_[group.index][group.entered]});
    ++group.entered;
    ++num_live_;
    return &group.responses.back();
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
    sample(live, decoder_->step(decoding, tokens));
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
  const int64_t kv_budget_;  // bytes of keys and values
  std::vector<std::vector<SampledResponse>> out_;
  std::list<LiveGroup> live_;
  size_t next_prompt_ = 0;
  int64_t num_live_ = 0;
};

}  // namespace

std::vector<std::vector<SampledResponse>> generate(const Policy& policy, const std::vector<PromptInput>& prompts,
                                                   const GenerateSpec& spec, const Watch& watch) {
  check(spec.n >= 1 && spec.max_tokens >= 1 && spec.max_concurrent >= 1 && spec.prefill_tokens >= 1, "generate",
        "n, max_tokens, max_concurrent and prefill_tokens must be 1 or more", "E_VALUE");
  check(policy.options.dtype != at::kDouble, "generate", "decoding keeps its cache in float32", "E_DTYPE");
  return Engine(policy, prompts, spec, watch).run();
}

}  // namespace papo
