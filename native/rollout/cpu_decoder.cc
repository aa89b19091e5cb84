#include "rollout/cpu_decoder.h"

#include "core/flops.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/vec.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace papo {
namespace {

using namespace qwen2_5_vl;

struct CpuPrompt : CachedPrompt {
  CpuPrompt(const KvShape& shape, int64_t num_tokens) : kv(shape, num_tokens) {}
  PromptKv kv;
};

struct CpuResponse : DecodingResponse {
  CpuResponse(const CachedPrompt& prompt, const KvShape& shape) : DecodingResponse(prompt), kv(shape) {}
  ResponseKv kv;
};

// A row of the sampler's work space ends on a whole vector; logits of such rows are it themselves.
at::Tensor whole_vectors(const at::Tensor& logits_MV) {
  const int64_t vocab = logits_MV.size(1), padded = round_up(vocab, kLanes<float>);
  if (padded == vocab) return logits_MV;
  auto work = at::full({logits_MV.size(0), padded}, -std::numeric_limits<float>::infinity(), at::kFloat);
  work.narrow(1, 0, vocab).copy_(logits_MV);
  return work;
}

}  // namespace

CpuDecoder::CpuDecoder(const Policy& policy)
    : Decoder(policy),
      // A second copy of the weights must leave most of the memory to keys and values.
      keep_panels_(static_cast<int64_t>(policy.store.flat().nbytes()) < available_memory() / 4),
      shape_{policy.config.text.num_layers, policy.config.text.num_kv_heads, policy.config.text.head_size},
      head_(policy.language.head, {}, keep_panels_) {
  for (const auto& w : policy.language.layers)
    layers_.push_back({RowLinear(w.qkv, w.qkv_bias, keep_panels_), RowLinear(w.o, {}, keep_panels_),
                       RowLinear(w.gate_up, {}, keep_panels_), RowLinear(w.down, {}, keep_panels_)});
}

std::unique_ptr<CachedPrompt> CpuDecoder::make_prompt(int64_t num_tokens) const {
  return std::make_unique<CpuPrompt>(shape_, num_tokens);
}

QkvHeads CpuDecoder::keep_rows(CachedPrompt& prompt, int64_t layer, int64_t first, const QkvHeads& chunk) const {
  auto& kv = static_cast<CpuPrompt&>(prompt).kv;
  kv.fill(layer, first, chunk.k_TKE, chunk.v_TKE);
  if (first == 0) return chunk;
  const auto [k_TKE, v_TKE] = kv.rows(layer, first + chunk.k_TKE.size(0));
  return {chunk.q_THE, k_TKE, v_TKE};
}

std::unique_ptr<DecodingResponse> CpuDecoder::begin(const CachedPrompt& prompt) {
  return std::make_unique<CpuResponse>(prompt, shape_);
}

at::Tensor CpuDecoder::step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens) {
  const auto& text = policy_.config.text;
  auto x = policy_.language.embed_tokens.value.index_select(0, at::tensor(tokens, at::kLong));
  const auto tables = text_rope(next_positions(responses), text, x.scalar_type());
  std::vector<DecodeRow> rows;
  std::vector<ResponseKv*> caches;
  for (auto* response : responses) {
    caches.push_back(&static_cast<CpuResponse*>(response)->kv);
    caches.back()->grow();
    ++response->num_tokens;
    rows.push_back({&static_cast<const CpuPrompt*>(response->prompt)->kv, caches.back()});
  }
  const int64_t row_size = text.num_kv_heads * text.head_size;
  for (int64_t layer = 0; layer < text.num_layers; ++layer) {
    poll_cancel();
    const auto& weights = policy_.language.layers[layer];
    const auto& products = layers_[layer];
    const auto heads =
        products.qkv(rms_norm(x, weights.input_norm, text.rms_norm_eps)).view({x.size(0), -1, text.head_size});
    const auto rotated = rope(heads.narrow(1, 0, text.num_heads + text.num_kv_heads), tables.cos_TE, tables.sin_TE);
    const auto q = rotated.narrow(1, 0, text.num_heads).to(at::kFloat).contiguous();
    const auto k = rotated.narrow(1, text.num_heads, text.num_kv_heads).to(at::kFloat).contiguous();
    const auto v = heads.narrow(1, text.num_heads + text.num_kv_heads, text.num_kv_heads).to(at::kFloat).contiguous();
    for (size_t i = 0; i < caches.size(); ++i)
      caches[i]->write(layer, k.data_ptr<float>() + i * row_size, v.data_ptr<float>() + i * row_size);
    x = x + products.o(decode_attention(q, rows, shape_, layer).to(x.scalar_type()).flatten(1));
    x = x + products.down(swiglu(products.gate_up(rms_norm(x, weights.post_norm, text.rms_norm_eps))));
  }
  return logits(rms_norm(x, policy_.language.norm, text.rms_norm_eps));
}

at::Tensor CpuDecoder::logits(const at::Tensor& hidden_MD) const {
  const FlopScope scope(FlopPhase::kHead);
  return head_(hidden_MD).to(at::kFloat);
}

SampledTokens CpuDecoder::sample(const at::Tensor& logits_MV, const std::vector<SampleRow>& rows,
                                 const SamplingSpec& spec, const std::vector<int64_t>& forbidden_ids) {
  const int64_t vocab = logits_MV.size(1);
  const auto work = whole_vectors(logits_MV);
  float* data = work.data_ptr<float>();
  SampledTokens out{std::vector<int64_t>(rows.size()), std::vector<float>(rows.size())};
  parallel_tasks(static_cast<int64_t>(rows.size()), [&](int64_t row) {
    const auto& of = rows[row];
    try {
      const auto token = sample_token(data + row * work.size(1), vocab, spec, forbidden_ids, *of.stream, of.position);
      out.ids[row] = token.id;
      out.log_probs[row] = token.log_prob;
    } catch (const Error& error) {
      throw of.failed(error);
    }
  });
  return out;
}

int64_t CpuDecoder::available_bytes() const { return available_memory(); }

}  // namespace papo
