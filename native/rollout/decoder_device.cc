// Decoding by the kernels of a device. A step is one upload of what it reads of the batch, one replay of a graph, and
// the sampler, for whose tokens alone the host waits.
#include <map>

#include "core/device_graph.h"
#include "core/flops.h"
#include "core/kernel_call.h"
#include "core/memory.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"
#include "rollout/device_sampler.h"
#include "rollout/step_inputs.h"

namespace papo {
namespace {

using namespace qwen2_5_vl;

// The attention of a step's newest rows, in all layers.
void count_attention(const std::vector<DecodingResponse*>& responses, const TextConfig& text) {
  double pairs = 0;
  for (const auto* response : responses)
    pairs += static_cast<double>(response->prompt->num_tokens + response->num_tokens);
  count_flops(4 * pairs * static_cast<double>(text.num_layers * text.num_heads * text.head_size),
              FlopPhase::kAttention);
}

// What was counted since `before`, of which only `share` is wanted.
void keep_share(const FlopCounts& before, double share) {
  for (size_t phase = 0; phase < kNumFlopPhases; ++phase)
    flop_counts[phase] = before[phase] + (flop_counts[phase] - before[phase]) * share;
}

// Steps of the same sizes.
struct RecordedStep {
  StepInputs inputs;
  at::Tensor logits_MV;  // of the bucket's rows
  std::unique_ptr<DeviceGraph> graph;
};

// Good while the pool's pages are where they were.
struct RecordedSteps {
  int64_t pool_pages;
  GraphMemory memory;
  std::map<StepSizes, RecordedStep> by_sizes;
};

class DeviceDecoder : public Decoder {
 public:
  explicit DeviceDecoder(const Policy& policy)
      : Decoder(policy),
        text_(policy.config.text),
        frequencies_F_(to_device(text_frequencies(text_))),
        pool_(std::make_shared<PagePool>(text_, policy.store.flat().options(),
                                         available_memory() / (kernels::kPageTokens * token_bytes()))) {
    check(text_.head_size == 64 || text_.head_size == 80 || text_.head_size == 128, "generate",
          "this device decodes heads of 64, 80 or 128 numbers, got " + std::to_string(text_.head_size), "E_VALUE");
  }

  std::unique_ptr<DecodingResponse> begin(const CachedPrompt& prompt) override {
    return std::make_unique<DeviceResponse>(prompt, pool_);
  }

  at::Tensor step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens) override {
    const auto host = gather_step(responses, tokens, pool_->scratch(), text_);
    const FlopCounts before = flop_counts;
    const auto& logits_MV = run(host);
    const auto live = static_cast<int64_t>(responses.size());
    keep_share(before, static_cast<double>(live) / host.sizes.rows);
    count_attention(responses, text_);
    return logits_MV.narrow(0, 0, live);
  }

  at::Tensor logits(const at::Tensor& hidden_MD) const override {
    const FlopScope scope(FlopPhase::kHead);
    return linear(hidden_MD, policy_.language.head).to(at::kFloat);
  }

  SampledTokens sample(const at::Tensor& logits_MV, const std::vector<SampleRow>& rows, const SamplingSpec& spec,
                       const std::vector<int64_t>& forbidden_ids) override {
    return sample_on_device(logits_MV, rows, spec, forbidden_ids);
  }

  int64_t prompt_bytes(int64_t num_tokens) const override { return num_tokens * token_bytes(); }
  int64_t response_bytes(int64_t num_tokens) const override {
    const int64_t page = kernels::kPageTokens;
    return (num_tokens + page - 1) / page * page * token_bytes();
  }
  int64_t available_bytes() const override { return available_memory(); }

 protected:
  std::unique_ptr<CachedPrompt> make_prompt(int64_t num_tokens) const override {
    auto prompt = std::make_unique<DevicePrompt>();
    const std::vector<int64_t> sizes{num_tokens, text_.num_kv_heads, text_.head_size};
    for (auto* layers : {&prompt->keys, &prompt->values})
      for (int64_t layer = 0; layer < text_.num_layers; ++layer)
        layers->push_back(at::empty(sizes, policy_.store.flat().options()));
    return prompt;
  }

  QkvHeads keep_rows(CachedPrompt& prompt, int64_t layer, int64_t first, const QkvHeads& chunk) const override {
    const auto& cache = static_cast<DevicePrompt&>(prompt);
    const auto &keys = cache.keys[layer], &values = cache.values[layer];
    const int64_t count = chunk.k_TKE.size(0);
    keys.narrow(0, first, count).copy_(chunk.k_TKE);
    values.narrow(0, first, count).copy_(chunk.v_TKE);
    return {chunk.q_THE, keys.narrow(0, 0, first + count), values.narrow(0, 0, first + count)};
  }

 private:
  int64_t token_bytes() const {
    return 2 * text_.num_layers * text_.num_kv_heads * text_.head_size *
           static_cast<int64_t>(policy_.store.flat().element_size());
  }

  // Logits of all rows of the bucket.
  const at::Tensor& run(const HostStep& host) {
    if (!recorded_ || recorded_->pool_pages != pool_->num_pages())
      recorded_.reset(new RecordedSteps{pool_->num_pages(), {}, {}});
    auto& step = recorded_->by_sizes[host.sizes];
    if (!step.graph) step = {make_step_inputs(host.sizes, text_), logits_buffer(host.sizes.rows), nullptr};
    copy_to_device_(step.inputs.words, at::tensor(host.words, at::kInt));
    if (step.graph)
      step.graph->replay();
    else
      step.graph = std::make_unique<DeviceGraph>(
          [this, inputs = step.inputs, logits = step.logits_MV] { decode(inputs, logits); }, recorded_->memory);
    return step.logits_MV;
  }

  // Shared by the graphs, of which one runs at a time.
  at::Tensor logits_buffer(int64_t rows) {
    if (!logits_.defined() || logits_.size(0) < rows)
      logits_ = at::empty({std::max<int64_t>(rows, logits_.defined() ? 2 * logits_.size(0) : 0), text_.vocab_size},
                          frequencies_F_.options());
    return logits_.narrow(0, 0, rows);
  }

  // A whole step, as it is recorded.
  void decode(const StepInputs& inputs, const at::Tensor& logits_MV) const {
    auto x = policy_.language.embed_tokens.value.index_select(0, inputs.ids_M);
    const auto tables = rope_tables_device(inputs.positions_M, frequencies_F_, x.scalar_type());
    for (int64_t layer = 0; layer < text_.num_layers; ++layer) {
      const auto& weights = policy_.language.layers[layer];
      const auto qkv = layer_input(x, input_params(weights, text_), head_layout(text_), tables.cos_TE, tables.sin_TE);
      x = layer_output(x, attend(qkv, inputs, layer).flatten(1), output_params(weights, text_));
    }
    logits_MV.copy_(logits(rms_norm(x, policy_.language.norm, text_.rms_norm_eps)));
  }

  // qkv [M, H + 2 K, E] of the newest tokens -> [M, H, E]; keys and values go into their pages first.
  at::Tensor attend(const at::Tensor& qkv, const StepInputs& inputs, int64_t layer) const {
    const auto parts = split_heads(qkv, text_.num_heads);
    const auto q = parts.q_THE.contiguous(), k = parts.k_TKE.contiguous(), v = parts.v_TKE.contiguous();
    const auto out = at::empty_like(q);
    const auto& [rows, items, num_parts, pages] = inputs.sizes;
    const auto* pointers =
        reinterpret_cast<const void* const*>(kernel_data<int64_t>(inputs.prompt_pointers)) + layer * 2 * rows;
    by_kernel_type(q, [&, rows = rows, items = items, num_parts = num_parts, pages = pages](auto type) {
      using T = decltype(type);
      T *key_pages = kernel_data<T>(pool_->keys(layer)), *value_pages = kernel_data<T>(pool_->values(layer));
      launched(kernels::kv_write(kernel_data<T>(k), kernel_data<T>(v), kernel_data<int32_t>(inputs.places_M),
                                 kernel_data<int32_t>(inputs.page_table), pages, rows,
                                 static_cast<int>(text_.num_kv_heads * text_.head_size), key_pages, value_pages,
                                 kernel_stream(q)),
               "kv_write");
      kernels::DecodeAttention<T> args{kernel_data<T>(q),
                                       kernel_data<T>(out),
                                       reinterpret_cast<const T* const*>(pointers),
                                       reinterpret_cast<const T* const*>(pointers + rows),
                                       key_pages,
                                       value_pages,
                                       kernel_data<int32_t>(inputs.page_table),
                                       pages,
                                       reinterpret_cast<const kernels::DecodeItem*>(kernel_data<int32_t>(inputs.items)),
                                       kernel_data<int32_t>(inputs.first_part),
                                       items,
                                       rows,
                                       num_parts,
                                       static_cast<int>(text_.num_heads),
                                       static_cast<int>(text_.num_kv_heads),
                                       static_cast<int>(text_.head_size),
                                       nullptr};
      const auto work = at::empty({kernels::decode_work_floats(args)}, q.options().dtype(at::kFloat));
      args.work = kernel_data<float>(work);
      launched(kernels::decode_attention(args, kernel_stream(q)), "decode_attention");
    });
    return out;
  }

  const TextConfig& text_;
  const at::Tensor frequencies_F_;
  const std::shared_ptr<PagePool> pool_;
  at::Tensor logits_;
  std::unique_ptr<RecordedSteps> recorded_;
};

}  // namespace

std::unique_ptr<Decoder> make_device_decoder(const Policy& policy) { return std::make_unique<DeviceDecoder>(policy); }

}  // namespace papo
