// Decoding by the kernels of a device. Keys and values are kept as the projection gives them, [tokens, K, E]: a
// prompt's in tensors of its own, responses' in pages of one pool a layer. A step uploads what it needs of the batch's
// shape once for all layers, and the host waits for the sampled tokens alone.
#include "core/flops.h"
#include "core/kernel_call.h"
#include "core/memory.h"
#include "kernels/decode_attention.cuh"
#include "kernels/sampler.cuh"
#include "ops/linear.h"
#include "ops/rms_norm.h"
#include "rollout/decoder.h"

namespace papo {
namespace {

using namespace qwen2_5_vl;

constexpr int kChunkKeys = 256;  // keys that a block of decode attention reads

struct DevicePrompt : PrefilledPrompt {
  std::vector<at::Tensor> keys, values;  // [P, K, E] a layer
  int64_t num_tokens() const { return keys.front().size(0); }
};

// Pages of all responses: [pages, kPageTokens, K, E] of keys and of values a layer.
class PagePool {
 public:
  PagePool(const TextConfig& text, const at::TensorOptions& options)
      : shape_{0, kernels::kPageTokens, text.num_kv_heads, text.head_size},
        keys_(text.num_layers, at::empty(shape_, options)),
        values_(keys_) {}
  int32_t take() {
    if (free_.empty()) grow();
    const int32_t page = free_.back();
    free_.pop_back();
    return page;
  }
  void give_back(const std::vector<int32_t>& pages) { free_.insert(free_.end(), pages.begin(), pages.end()); }
  const at::Tensor& keys(int64_t layer) const { return keys_[layer]; }
  const at::Tensor& values(int64_t layer) const { return values_[layer]; }

 private:
  void grow() {
    const int64_t before = shape_[0];
    shape_[0] = std::max<int64_t>(16, 2 * before);
    for (auto* layers : {&keys_, &values_}) {
      for (auto& pages : *layers) {
        const auto larger = at::empty(shape_, pages.options());
        larger.narrow(0, 0, before).copy_(pages);
        pages = larger;
      }
    }
    for (int64_t page = shape_[0]; page-- > before;) free_.push_back(static_cast<int32_t>(page));
  }
  std::vector<int64_t> shape_;
  std::vector<at::Tensor> keys_, values_;
  std::vector<int32_t> free_;
};

struct DeviceResponse : DecodingResponse {
  DeviceResponse(const PrefilledPrompt& prompt, std::shared_ptr<PagePool> pool)
      : DecodingResponse(prompt), pool(std::move(pool)) {}
  ~DeviceResponse() override { pool->give_back(pages); }
  DeviceResponse(const DeviceResponse&) = delete;
  DeviceResponse& operator=(const DeviceResponse&) = delete;
  std::shared_ptr<PagePool> pool;
  std::vector<int32_t> pages;
};

// The batch of one step, on the device.
struct StepBatch {
  kernels::DecodePlan plan;
  at::Tensor items, first_part, tokens_M, page_table;
  at::Tensor prompt_pointers;  // [layers, 2, groups] int64: keys, values
  int num_groups, max_pages;
};

StepBatch make_batch(const std::vector<DecodingResponse*>& responses, const TextConfig& text) {
  std::vector<kernels::DecodeGroup> groups;
  std::vector<const DevicePrompt*> prompts;
  std::vector<int32_t> places;
  size_t max_pages = 1;
  for (auto* response : responses) {
    auto& own = *static_cast<DeviceResponse*>(response);
    const auto* prompt = static_cast<const DevicePrompt*>(own.prompt);
    if (prompts.empty() || prompts.back() != prompt) {
      prompts.push_back(prompt);
      groups.push_back({static_cast<int32_t>(prompt->num_tokens()), {}});
    }
    if (own.num_tokens % kernels::kPageTokens == 0) own.pages.push_back(own.pool->take());
    places.push_back(static_cast<int32_t>(own.num_tokens++));
    groups.back().own_tokens.push_back(static_cast<int32_t>(own.num_tokens));
    max_pages = std::max(max_pages, own.pages.size());
  }
  std::vector<int32_t> table(responses.size() * max_pages, 0);
  for (size_t row = 0; row < responses.size(); ++row) {
    const auto& pages = static_cast<DeviceResponse*>(responses[row])->pages;
    std::copy(pages.begin(), pages.end(), table.begin() + row * max_pages);
  }
  std::vector<int64_t> pointers;
  for (int64_t layer = 0; layer < text.num_layers; ++layer)
    for (const auto member : {&DevicePrompt::keys, &DevicePrompt::values})
      for (const auto* prompt : prompts)
        pointers.push_back(reinterpret_cast<int64_t>((prompt->*member)[layer].const_data_ptr()));
  auto plan = kernels::plan_decode(groups, static_cast<int>(text.num_heads / text.num_kv_heads), kChunkKeys);
  static_assert(sizeof(kernels::DecodeItem) == 6 * sizeof(int32_t));
  const auto* first_word = reinterpret_cast<const int32_t*>(plan.items.data());
  const std::vector<int32_t> items(first_word, first_word + 6 * plan.items.size());
  const auto first_part = to_device(plan.first_part);
  return {std::move(plan),
          to_device(items),
          first_part,
          to_device(places),
          to_device(table),
          to_device(pointers),
          static_cast<int>(prompts.size()),
          static_cast<int>(max_pages)};
}

// The attention of a step's newest rows, in all layers.
void count_attention(const std::vector<DecodingResponse*>& responses, const TextConfig& text) {
  double pairs = 0;
  for (const auto* response : responses)
    pairs +=
        static_cast<double>(static_cast<const DevicePrompt*>(response->prompt)->num_tokens() + response->num_tokens);
  count_flops(4 * pairs * static_cast<double>(text.num_layers * text.num_heads * text.head_size),
              FlopPhase::kAttention);
}

class DeviceDecoder : public Decoder {
 public:
  explicit DeviceDecoder(const Policy& policy)
      : policy_(policy),
        text_(policy.config.text),
        pool_(std::make_shared<PagePool>(text_, policy.store.flat().options())) {
    check(text_.head_size == 64 || text_.head_size == 80 || text_.head_size == 128, "generate",
          "this device decodes heads of 64, 80 or 128 numbers, got " + std::to_string(text_.head_size), "E_VALUE");
  }

  std::unique_ptr<PrefilledPrompt> prefill(const PromptInput& input) override {
    auto prompt = std::make_unique<DevicePrompt>();
    prefill_prompt(policy_, input, *prompt, [&](int64_t, const at::Tensor& k_PKE, const at::Tensor& v_PKE) {
      prompt->keys.push_back(k_PKE.contiguous());
      prompt->values.push_back(v_PKE.contiguous());
    });
    return prompt;
  }

  std::unique_ptr<DecodingResponse> begin(const PrefilledPrompt& prompt) override {
    return std::make_unique<DeviceResponse>(prompt, pool_);
  }

  at::Tensor step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens) override {
    auto x = policy_.language.embed_tokens.value.index_select(0, to_device(tokens));
    const auto tables = text_rope(next_positions(responses), text_, x.scalar_type());
    const auto batch = make_batch(responses, text_);
    count_attention(responses, text_);
    for (int64_t layer = 0; layer < text_.num_layers; ++layer) {
      poll_cancel();
      const auto& weights = policy_.language.layers[layer];
      const auto qkv = layer_input(x, input_params(weights, text_), head_layout(text_), tables.cos_TE, tables.sin_TE);
      x = layer_output(x, attend(qkv, batch, layer).flatten(1), output_params(weights, text_));
    }
    return rms_norm(x, policy_.language.norm, text_.rms_norm_eps);
  }

  at::Tensor logits(const at::Tensor& hidden_MD) const override {
    const FlopScope scope(FlopPhase::kHead);
    return linear(hidden_MD, policy_.language.head).to(at::kFloat);
  }

  SampledTokens sample(const at::Tensor& logits_MV, const std::vector<SampleRow>& rows, const SamplingSpec& spec,
                       const std::vector<int64_t>& forbidden_ids) override {
    static_assert(sizeof(kernels::SampleDraw) == 3 * sizeof(int64_t));
    const auto count = static_cast<int64_t>(rows.size());
    std::vector<int64_t> draws;
    for (const auto& row : rows)
      for (const uint64_t word : {row.stream->key(), row.stream->stream(), row.position})
        draws.push_back(static_cast<int64_t>(word));
    const auto draws_M = to_device(draws);
    std::vector<int32_t> ids(forbidden_ids.begin(), forbidden_ids.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    const auto forbidden = to_device(ids);
    const auto logits = logits_MV.clone();
    // One copy back: tokens, log-probs and the first bad row, as 32-bit words.
    const auto words = at::full({3 * count + 1}, std::numeric_limits<int32_t>::max(), logits.options().dtype(at::kInt));
    auto* out = kernel_data<int32_t>(words);
    const kernels::SamplerSpec sampler{spec.temperature, spec.top_p, std::max<int64_t>(0, spec.top_k),
                                       kernel_data<int32_t>(forbidden), static_cast<int>(ids.size())};
    launched(
        kernels::sample_tokens(kernel_data<float>(logits), static_cast<int>(count), static_cast<int>(logits.size(1)),
                               reinterpret_cast<const kernels::SampleDraw*>(kernel_data<int64_t>(draws_M)), sampler,
                               reinterpret_cast<int64_t*>(out), reinterpret_cast<float*>(out + 2 * count),
                               out + 3 * count, kernel_stream(logits)),
        "sample_tokens");
    const auto read = words.to(at::kCPU);
    const auto* word = read.data_ptr<int32_t>();
    const int32_t bad = word[3 * count];
    if (bad < count)
      throw rows[bad].failed({"E_NONFINITE", "sample_token",
                              "the logits of token " + std::to_string(rows[bad].position) + " are not finite"});
    SampledTokens sampled{std::vector<int64_t>(count), std::vector<float>(count)};
    std::memcpy(sampled.ids.data(), word, count * sizeof(int64_t));
    std::memcpy(sampled.log_probs.data(), word + 2 * count, count * sizeof(float));
    return sampled;
  }

  int64_t prompt_bytes(int64_t num_tokens) const override { return num_tokens * token_bytes(); }
  int64_t response_bytes(int64_t num_tokens) const override {
    const int64_t page = kernels::kPageTokens;
    return (num_tokens + page - 1) / page * page * token_bytes();
  }
  int64_t available_bytes() const override { return available_memory(); }

 private:
  int64_t token_bytes() const {
    return 2 * text_.num_layers * text_.num_kv_heads * text_.head_size *
           static_cast<int64_t>(policy_.store.flat().element_size());
  }

  // qkv [M, H + 2 K, E] of the newest tokens -> [M, H, E]; keys and values go into their pages first.
  at::Tensor attend(const at::Tensor& qkv, const StepBatch& batch, int64_t layer) const {
    const auto parts = split_heads(qkv, text_.num_heads);
    const auto q = parts.q_THE.contiguous(), k = parts.k_TKE.contiguous(), v = parts.v_TKE.contiguous();
    const auto out = at::empty_like(q);
    const int rows = batch.plan.num_rows();
    const auto* pointers = reinterpret_cast<const void* const*>(kernel_data<int64_t>(batch.prompt_pointers)) +
                           layer * 2 * batch.num_groups;
    by_kernel_type(q, [&](auto type) {
      using T = decltype(type);
      T *key_pages = kernel_data<T>(pool_->keys(layer)), *value_pages = kernel_data<T>(pool_->values(layer));
      const int kv_size = static_cast<int>(text_.num_kv_heads * text_.head_size);
      launched(kernels::kv_write(kernel_data<T>(k), kernel_data<T>(v), kernel_data<int32_t>(batch.tokens_M),
                                 kernel_data<int32_t>(batch.page_table), batch.max_pages, rows, kv_size, key_pages,
                                 value_pages, kernel_stream(q)),
               "kv_write");
      kernels::DecodeAttention<T> args{kernel_data<T>(q),
                                       kernel_data<T>(out),
                                       reinterpret_cast<const T* const*>(pointers),
                                       reinterpret_cast<const T* const*>(pointers + batch.num_groups),
                                       key_pages,
                                       value_pages,
                                       kernel_data<int32_t>(batch.page_table),
                                       batch.max_pages,
                                       reinterpret_cast<const kernels::DecodeItem*>(kernel_data<int32_t>(batch.items)),
                                       kernel_data<int32_t>(batch.first_part),
                                       static_cast<int>(batch.plan.items.size()),
                                       rows,
                                       batch.plan.num_parts(),
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

  const Policy& policy_;
  const TextConfig& text_;
  std::shared_ptr<PagePool> pool_;
};

}  // namespace

std::unique_ptr<Decoder> make_device_decoder(const Policy& policy) { return std::make_unique<DeviceDecoder>(policy); }

}  // namespace papo
