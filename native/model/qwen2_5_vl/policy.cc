#include "model/qwen2_5_vl/policy.h"

#include "core/flops.h"
#include "core/parallel.h"
#include "core/philox.h"
#include "ops/embedding.h"

namespace papo {

using namespace qwen2_5_vl;

Policy::Policy(const Config& config, const PolicyOptions& options) : config(config), options(options) {
  declare_weights(store, config);
  check(options.device == Device::kCpu || options.dtype != at::kDouble, "create_policy",
        "dtype: float64 runs on device cpu only", "E_DTYPE");
  const DeviceScope scope(options.device);
  store.allocate(at::TensorOptions(options.dtype).device(tensor_device()), options.trained,
                 {options.freeze_vision_tower, false});
  vision = vision_weights(store, config.vision);
  language = language_weights(store, config.text);
}

namespace {
constexpr int64_t kElementsAPoll = 1 << 16;
}

void initialize_weights(Policy& policy, uint64_t seed) {
  at::NoGradGuard no_grad;
  policy.store.weights_move();
  const auto& entries = policy.store.entries();
  parallel_tasks(static_cast<int64_t>(entries.size()), [&](int64_t index) {
    const auto& entry = entries[index];
    auto values = policy.store.values(entry);
    if (entry.shape.size() == 1) {
      values.fill_(entry.name.ends_with("bias") ? 0.0 : 1.0);
      return;
    }
    const RandomStream stream(seed, Purpose::kInit, {static_cast<uint64_t>(index)});
    auto draws = at::empty({entry.numel}, at::kFloat);
    float* data = draws.data_ptr<float>();
    for (int64_t i = 0; i < entry.numel; ++i) {  // Box-Muller, one of the pair
      if (i % kElementsAPoll == 0) poll_cancel();
      const auto b = stream.block(i);
      const double u = (b[0] + 1.0) * 0x1.0p-32, angle = b[1] * (0x1.0p-32 * 6.283185307179586);
      data[i] = static_cast<float>(0.02 * std::sqrt(-2.0 * std::log(u)) * std::cos(angle));
    }
    values.copy_(draws.view(entry.shape));
  });
}

std::vector<PromptRows> embed_prompts(const Policy& policy, const std::vector<ViewedPrompt>& prompts,
                                      int64_t recomputed_blocks) {
  const auto& config = policy.config;
  std::vector<ViewedImage> images;
  for (const auto& prompt : prompts)
    for (const auto& image : viewed_images(prompt)) images.push_back(image);
  const auto image_embeds = embed_images(policy, images, recomputed_blocks);
  std::vector<PromptRows> out;
  auto next = image_embeds.begin();
  for (const auto& [prompt, view] : prompts) {
    std::vector<GridThw> grids;
    for (const auto& image : prompt->images) grids.push_back(image->grid_thw);
    auto positions = rope_positions(prompt->ids, grids, {}, config);
    const auto ids = at::tensor(prompt->ids, at::kLong);
    check(prompt->ids.empty() || (ids.min().item<int64_t>() >= 0 && ids.max().item<int64_t>() < config.text.vocab_size),
          "embed_prompts", "a prompt has a token outside the vocabulary", "E_VALUE");
    auto embeds = embedding(to_device(ids), policy.language.embed_tokens);
    if (!grids.empty()) {
      const auto end = next + static_cast<int64_t>(grids.size());
      const auto image_rows = to_device(ids.eq(config.image_token_id).nonzero().squeeze(1));
      embeds = embeds.index_copy(0, image_rows, at::cat(std::vector<at::Tensor>(next, end), 0));
      next = end;
    }
    out.push_back({embeds, std::move(positions)});
  }
  return out;
}

PackedGroups pack_groups(const Policy& policy, const std::vector<ViewedGroup>& groups, const Recomputed& recomputed) {
  std::vector<ViewedPrompt> prompts;
  for (const auto& [group, view] : groups) prompts.push_back({&group->prompt, view});
  const auto rows = embed_prompts(policy, prompts, recomputed.blocks);

  PackedGroups out;
  out.recomputed = recomputed;
  auto plan = std::make_shared<AttentionPlan>();
  std::vector<std::array<int64_t, 3>> positions;
  std::vector<int64_t> response_ids;  // inputs of all response rows, group after group
  std::vector<int64_t> rows_of_group;
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto& group = *groups[g].group;
    const auto& prompt = rows[g].positions;
    check(!prompt.rows.empty(), "pack_groups", "a prompt has no tokens");
    const auto prompt_last = static_cast<int64_t>(positions.size() + prompt.rows.size()) - 1;
    positions.insert(positions.end(), prompt.rows.begin(), prompt.rows.end());
    std::vector<int64_t> response_rows;
    int64_t group_rows = 0;
    for (const auto& response : group.responses) {
      const auto length = static_cast<int64_t>(response.size());
      const auto first_row = static_cast<int64_t>(positions.size());
      for (int64_t t = 0; t < length; ++t) {
        check(response[t] >= 0 && response[t] < policy.config.text.vocab_size, "pack_groups",
              "a response has token " + std::to_string(response[t]) + " outside the vocabulary", "E_VALUE");
        out.head_rows.push_back(t == 0 ? prompt_last : first_row + t - 1);
        out.targets.push_back(response[t]);
        if (t + 1 == length) break;  // nothing is predicted from the last token
        response_ids.push_back(response[t]);
        positions.push_back({prompt.next + t, prompt.next + t, prompt.next + t});
      }
      response_rows.push_back(std::max<int64_t>(0, length - 1));
      group_rows += response_rows.back();
    }
    rows_of_group.push_back(group_rows);
    append_group(*plan, static_cast<int64_t>(prompt.rows.size()), response_rows);
  }
  std::vector<at::Tensor> parts;
  const auto response_embeds =
      response_ids.empty() ? at::Tensor() : embedding(to_device(response_ids), policy.language.embed_tokens);
  int64_t offset = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    parts.push_back(rows[g].embeds_PD);
    if (rows_of_group[g] > 0) parts.push_back(response_embeds.narrow(0, offset, rows_of_group[g]));
    offset += rows_of_group[g];
  }
  out.embeds_TD = parts.size() == 1 ? parts[0] : at::cat(parts, 0);
  out.rows = {plan, text_rope(positions, policy.config.text, out.embeds_TD.scalar_type()), {}};
  return out;
}

at::Tensor predicting_hidden(const Policy& policy, const PackedGroups& packed) {
  auto rows = packed.rows;
  // Of each token's row its place among the wanted ones: responses share their prompt's last row.
  const auto [wanted_W, place_R, unused] =
      at::unique_dim(at::tensor(packed.head_rows, at::kLong), 0, /*sorted=*/true, /*return_inverse=*/true);
  rows.wanted_W = to_device(wanted_W);
  const auto hidden_WD =
      decode_rows(packed.embeds_TD, rows, policy.language, policy.config.text, packed.recomputed.layers);
  return hidden_WD.index_select(0, to_device(place_R));
}

namespace {

// One group per response, so that each response can have a masked picture of its own.
PredictingRows rows_per_response(const Policy& policy, const std::vector<const GroupInput*>& groups,
                                 const MaskedView& view, const Recomputed& recomputed) {
  std::vector<at::Tensor> hidden, targets;
  for (const auto* group : groups) {
    for (size_t i = 0; i < group->responses.size(); ++i) {
      const GroupInput single{group->prompt, {group->responses[i]}, 0};
      MaskedView own = view;
      own.per_response = false;
      own.response_index = group->first_response + static_cast<int64_t>(i);
      const auto rows = predicting_rows(policy, {&single}, &own, recomputed);
      hidden.push_back(rows.hidden_RD);
      targets.push_back(rows.targets_R);
    }
  }
  return {at::cat(hidden, 0), at::cat(targets, 0)};
}

PredictingRows packed_rows(const Policy& policy, const PackedGroups& packed) {
  return {predicting_hidden(policy, packed), to_device(packed.targets)};
}

}  // namespace

PredictingRows predicting_rows(const Policy& policy, const std::vector<const GroupInput*>& groups,
                               const MaskedView* view, const Recomputed& recomputed) {
  if (view != nullptr && view->per_response) return rows_per_response(policy, groups, *view, recomputed);
  std::vector<ViewedGroup> viewed;
  for (const auto* group : groups) viewed.push_back({group, view});
  return packed_rows(policy, pack_groups(policy, viewed, recomputed));
}

TokenScores score_rows(const Policy& policy, const PredictingRows& rows, double temperature, bool with_entropy) {
  const FlopScope scope(FlopPhase::kHead);
  return token_log_probs(rows.hidden_RD, policy.language.head, rows.targets_R, {temperature, with_entropy});
}

TokenScores score_groups(const Policy& policy, const std::vector<const GroupInput*>& groups, double temperature,
                         bool with_entropy, const MaskedView* view, const Recomputed& recomputed) {
  return score_rows(policy, predicting_rows(policy, groups, view, recomputed), temperature, with_entropy);
}

PassRows pass_rows(const MaskedView* view) {
  return view != nullptr && view->per_response ? PassRows{0, 1, 1} : PassRows{1, 0, 1};
}

int64_t MicroBatch::num_responses() const {
  int64_t total = 0;
  for (const auto& group : groups) total += static_cast<int64_t>(group.responses.size());
  return total;
}

int64_t MicroBatch::num_tokens() const {
  int64_t total = 0;
  for (const auto& group : groups) total += group.response_tokens();
  return total;
}

namespace {

// Rows of a whole group in a pass.
int64_t rows_of(const GroupInput& group, const PassRows& rows) {
  return static_cast<int64_t>(group.prompt.ids.size()) *
             (rows.prompt_a_group + rows.prompt_a_response * static_cast<int64_t>(group.responses.size())) +
         rows.response * group.response_tokens();
}

// As many groups as fit, one after the other.
std::vector<MicroBatch> cut_greedily(const GroupBatch& batch, int64_t begin, int64_t end, int64_t max_tokens,
                                     const PassRows& rows) {
  const auto tokens = batch.token_offsets(), responses = batch.response_offsets();
  std::vector<MicroBatch> cuts;
  int64_t taken = 0, first_response = responses[begin], first_token = tokens[begin];
  // Responses [from, to) of group g, in the current micro-batch or in a new one.
  const auto add = [&](int64_t g, size_t from, size_t to) {
    const auto& group = batch.groups[g];
    GroupInput part{
        group.prompt, {group.responses.begin() + from, group.responses.begin() + to}, static_cast<int64_t>(from)};
    const auto prompt = static_cast<int64_t>(group.prompt.ids.size()), count = static_cast<int64_t>(to - from);
    const int64_t cost =
        prompt * (rows.prompt_a_group + rows.prompt_a_response * count) + rows.response * part.response_tokens();
    if (cuts.empty() || taken + cost > max_tokens) {
      cuts.push_back({{}, first_response, first_token, g - begin});
      taken = 0;
    }
    taken += cost;
    first_response += count;
    first_token += part.response_tokens();
    cuts.back().groups.push_back(std::move(part));
    cuts.back().groups_done = g - begin + (to == group.responses.size());
  };
  for (int64_t g = begin; g < end; ++g) {
    const auto& group = batch.groups[g];
    const auto prompt = static_cast<int64_t>(group.prompt.ids.size());
    const size_t count = group.responses.size();
    if (rows_of(group, rows) <= max_tokens || count <= 1) {
      add(g, 0, count);
      continue;
    }
    for (size_t from = 0, to = 0; from < count; from = to) {
      int64_t cost = prompt * rows.prompt_a_group;
      while (to < count) {
        const int64_t more =
            prompt * rows.prompt_a_response + rows.response * static_cast<int64_t>(group.responses[to].size());
        if (to > from && cost + more > max_tokens) break;
        cost += more;
        ++to;
      }
      add(g, from, to);
    }
  }
  return cuts;
}

}  // namespace

std::vector<MicroBatch> cut_micro_batches(const GroupBatch& batch, int64_t begin, int64_t end, int64_t max_tokens,
                                          const PassRows& rows) {
  auto cuts = cut_greedily(batch, begin, end, max_tokens, rows);
  // The smallest bound that needs no more of them and cuts no group that fits: all of about one size, instead of a
  // short last one.
  int64_t low = 1;
  for (int64_t g = begin; g < end; ++g) low = std::max(low, rows_of(batch.groups[g], rows));
  for (int64_t high = max_tokens; low < high && cuts.size() > 1;) {
    const int64_t middle = low + (high - low) / 2;
    auto balanced = cut_greedily(batch, begin, end, middle, rows);
    if (balanced.size() > cuts.size()) {
      low = middle + 1;
    } else {
      high = middle;
      cuts = std::move(balanced);
    }
  }
  return cuts;
}

namespace {

// Scores of micro-batches, one after the other.
class ScoreParts {
 public:
  // The scores of the first `tokens` tokens are nan.
  ScoreParts(int64_t tokens, const Policy& policy, bool with_entropy) : with_entropy_(with_entropy) {
    const auto type = policy.options.dtype == at::kDouble ? at::kDouble : at::kFloat;
    const auto absent =
        at::full({tokens}, std::numeric_limits<double>::quiet_NaN(), at::TensorOptions(type).device(tensor_device()));
    add({absent, absent});
  }
  void add(const TokenScores& scores) {
    log_probs_.push_back(scores.log_probs_N);
    if (with_entropy_) entropies_.push_back(scores.entropy_N);
  }
  TokenScores joined() const { return {at::cat(log_probs_, 0), with_entropy_ ? at::cat(entropies_, 0) : at::Tensor()}; }

 private:
  const bool with_entropy_;
  std::vector<at::Tensor> log_probs_, entropies_;
};

void check_range(const GroupBatch& batch, int64_t first_group) {
  check(!batch.groups.empty(), "score_batch", "an empty batch");
  check(0 <= first_group && first_group <= static_cast<int64_t>(batch.groups.size()), "score_batch",
        "the first group lies outside the batch", "E_VALUE");
}

}  // namespace

TokenScores score_batch(const Policy& policy, const GroupBatch& batch, const ScoreSpec& spec, const MaskedView* view,
                        int64_t first_group, const Watch& watch) {
  at::NoGradGuard no_grad;
  check_range(batch, first_group);
  const auto total = static_cast<int64_t>(batch.groups.size());
  ScoreParts parts(batch.token_offsets()[first_group], policy, spec.with_entropy);
  for (const auto& micro : cut_micro_batches(batch, first_group, total, spec.max_tokens, pass_rows(view))) {
    poll_cancel();
    std::vector<const GroupInput*> groups;
    for (const auto& group : micro.groups) groups.push_back(&group);
    parts.add(score_groups(policy, groups, spec.temperature, spec.with_entropy, view));
    watch.report(first_group + micro.groups_done, total);
  }
  return parts.joined();
}

PlainAndMasked score_both_views(const Policy& policy, const GroupBatch& batch, const ScoreSpec& spec,
                                const MaskedView& view, int64_t first_plain, const Watch& watch) {
  at::NoGradGuard no_grad;
  check_range(batch, first_plain);
  const auto total = static_cast<int64_t>(batch.groups.size());
  const auto first_tokens = batch.token_offsets()[first_plain];
  ScoreParts plain(first_tokens, policy, spec.with_entropy), masked(0, policy, spec.with_entropy);
  const auto passes = [&](int64_t begin, int64_t end, bool both) {
    const int64_t times = both ? 2 : 1;
    for (const auto& micro : cut_micro_batches(batch, begin, end, spec.max_tokens, {times, 0, times})) {
      poll_cancel();
      std::vector<ViewedGroup> groups;
      if (both)
        for (const auto& group : micro.groups) groups.push_back({&group, nullptr});
      for (const auto& group : micro.groups) groups.push_back({&group, &view});
      const auto scores =
          score_rows(policy, packed_rows(policy, pack_groups(policy, groups)), spec.temperature, spec.with_entropy);
      const int64_t tokens = micro.num_tokens(), skip = both ? tokens : 0;
      const auto part = [&](int64_t first) {
        return TokenScores{scores.log_probs_N.narrow(0, first, tokens),
                           spec.with_entropy ? scores.entropy_N.narrow(0, first, tokens) : at::Tensor()};
      };
      if (both) plain.add(part(0));
      masked.add(part(skip));
      watch.report(begin + micro.groups_done, total);
    }
  };
  if (view.per_response) {  // each response has a prompt of its own: nothing to pack with
    masked.add(score_batch(policy, batch, spec, &view, 0, watch));
    return {score_batch(policy, batch, spec, nullptr, first_plain, watch), masked.joined()};
  }
  passes(0, first_plain, false);
  passes(first_plain, total, true);
  return {plain.joined(), masked.joined()};
}

}  // namespace papo
