#include "model/qwen2_5_vl/image_attention.h"

namespace papo {

using namespace qwen2_5_vl;

namespace {

constexpr const char* kOp = "image_attention";

// Rows of a packed pass: those that predict a response's tokens, and the image tokens of its prompt.
struct Looking {
  std::vector<int64_t> rows;
  at::Tensor image_rows_M;
};

at::Tensor image_rows(const Policy& policy, const PromptInput& prompt, int64_t prompt_begin) {
  const auto places = at::tensor(prompt.ids, at::kLong).eq(policy.config.image_token_id).nonzero().squeeze(1);
  check(places.size(0) > 0, kOp, prompt.example_id + ": expected a prompt with a picture", "E_VALUE");
  return to_device(places + prompt_begin);
}

std::vector<Looking> looking_of(const Policy& policy, const MicroBatch& micro, const PackedGroups& packed) {
  std::vector<Looking> out;
  auto next = packed.head_rows.begin();
  for (const auto& group : micro.groups) {
    for (const auto& response : group.responses) {
      check(!response.empty(), kOp, group.prompt.example_id + ": expected responses with tokens", "E_VALUE");
      const auto end = next + static_cast<int64_t>(response.size());
      const int64_t prompt_begin = packed.rows.plan->rows[*next].first_begin;
      out.push_back({{next, end}, image_rows(policy, group.prompt, prompt_begin)});
      next = end;
    }
  }
  return out;
}

std::vector<at::Tensor> micro_batch_attention(const Policy& policy, const MicroBatch& micro,
                                              const ImageAttentionSpec& spec) {
  std::vector<ViewedGroup> groups;
  for (const auto& group : micro.groups) groups.push_back({&group, nullptr});
  const auto packed = pack_groups(policy, groups);
  const auto looking = looking_of(policy, micro, packed);
  const auto& text = policy.config.text;
  std::vector<at::Tensor> sums(looking.size());
  const Attend attend = [&](int64_t layer, const at::Tensor& qkv_TGE) {
    const auto heads = split_heads(qkv_TGE, text.num_heads);
    for (size_t i = 0; i < looking.size(); ++i) {
      const auto& [rows, image_rows_M] = looking[i];
      const auto layer_sums = attention_on_keys(heads, *packed.rows.plan, rows, image_rows_M, spec.chunk_bytes);
      sums[i] = layer == 0 ? layer_sums : sums[i] + layer_sums;
    }
    return group_attention(qkv_TGE, text.num_heads, packed.rows.plan);
  };
  auto rows = packed.rows;
  rows.wanted_W = to_device(std::vector<int64_t>{0});  // nothing is wanted from behind the last attention
  decode_rows(packed.embeds_TD, rows, policy.language, text, 0, attend);
  for (size_t i = 0; i < looking.size(); ++i)
    sums[i] /= static_cast<double>(text.num_layers * text.num_heads) * static_cast<double>(looking[i].rows.size());
  return sums;
}

}  // namespace

std::vector<at::Tensor> image_attention(const Policy& policy, const GroupBatch& batch, const ImageAttentionSpec& spec,
                                        const Watch& watch) {
  at::NoGradGuard no_grad;
  const auto total = static_cast<int64_t>(batch.groups.size());
  std::vector<at::Tensor> out;
  for (const auto& micro : cut_micro_batches(batch, 0, total, spec.max_tokens, pass_rows(nullptr))) {
    poll_cancel();
    for (auto& attention : micro_batch_attention(policy, micro, spec)) out.push_back(std::move(attention));
    watch.report(micro.groups_done, total);
  }
  return out;
}

}  // namespace papo
