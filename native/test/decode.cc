#include "test/decode.h"

#include <list>

#include "attention/group_attention.h"
#include "attention/kv_cache.h"
#include "core/error.h"
#include "rollout/decoder.h"
#include "test/stateful_pairs.h"

namespace papo {
namespace {

struct FilledGroup {
  std::unique_ptr<PromptKv> prompt;
  std::list<ResponseKv> responses;
};

// The caches of one group whose rows begin at `row`; `newest` gets the last row of each response.
FilledGroup fill_group(const std::vector<int64_t>& group, int64_t row, const KvShape& shape,
                       const std::array<at::Tensor, 2>& kv, std::vector<int64_t>& newest) {
  const auto& [k_TKE, v_TKE] = kv;
  FilledGroup out{std::make_unique<PromptKv>(shape, group[0]), {}};
  out.prompt->fill(0, 0, k_TKE.narrow(0, row, group[0]), v_TKE.narrow(0, row, group[0]));
  row += group[0];
  for (size_t r = 1; r < group.size(); ++r) {
    auto& own = out.responses.emplace_back(shape);
    for (int64_t t = 0; t < group[r]; ++t, ++row) {
      own.grow();
      own.write(0, k_TKE[row].data_ptr<float>(), v_TKE[row].data_ptr<float>());
    }
    newest.push_back(row - 1);
  }
  return out;
}

// A response on its way through the decoder.
struct Fed {
  std::unique_ptr<DecodingResponse> decoding;
  const std::vector<int64_t>* tokens;
  int64_t first_row;  // of the expected logits
};

// Keys or values [M, K, T, E] of every response's prompt and own rows, ended by zeros.
at::Tensor padded_rows(const OpSpec& spec, const at::Tensor& rows_TKE) {
  std::vector<at::Tensor> each;
  int64_t longest = 0, row = 0;
  for (const auto& group : spec.groups) {
    const auto prompt = rows_TKE.narrow(0, row, group[0]);
    row += group[0];
    for (size_t r = 1; r < group.size(); row += group[r], ++r) {
      each.push_back(at::cat({prompt, rows_TKE.narrow(0, row, group[r])}));
      longest = std::max(longest, each.back().size(0));
    }
  }
  for (auto& rows : each) rows = at::constant_pad_nd(rows, {0, 0, 0, 0, 0, longest - rows.size(0)});
  return at::stack(each).transpose(1, 2).contiguous();
}

// 0 where a response has a row and -inf beyond [M, 1, 1, T].
at::Tensor row_mask(const OpSpec& spec, int64_t longest) {
  std::vector<at::Tensor> each;
  for (const auto& group : spec.groups)
    for (size_t r = 1; r < group.size(); ++r)
      each.push_back(
          at::where(at::arange(longest) < group[0] + group[r], 0.0, -std::numeric_limits<double>::infinity()));
  return at::stack(each).to(at::kFloat).view({-1, 1, 1, longest});
}

// Caches that a pair's runs read.
struct Caches {
  std::vector<FilledGroup> groups;
  std::vector<DecodeRow> rows;
  at::Tensor q_MHE, k_MKTE, v_MKTE, mask;
};

}  // namespace

OpPair decode_attention_pair(const OpSpec& spec) {
  const int64_t heads = spec.size("heads"), head_size = spec.size("headSize");
  const KvShape shape{1, spec.size("kvHeads"), head_size};
  int64_t rows = 0;
  for (const auto& group : spec.groups)
    for (int64_t length : group) rows += length;
  const std::array<at::Tensor, 2> kv{at::randn({rows, shape.num_kv_heads, head_size}),
                                     at::randn({rows, shape.num_kv_heads, head_size})};
  auto caches = std::make_shared<Caches>();
  std::vector<int64_t> newest;
  int64_t begin = 0;
  for (const auto& group : spec.groups) {
    caches->groups.push_back(fill_group(group, begin, shape, kv, newest));
    for (int64_t length : group) begin += length;
  }
  for (const auto& group : caches->groups)
    for (const auto& own : group.responses) caches->rows.push_back({group.prompt.get(), &own});
  const auto count = static_cast<int64_t>(caches->rows.size());
  caches->q_MHE = at::randn({count, heads, head_size});
  caches->k_MKTE = padded_rows(spec, kv[0]);
  caches->v_MKTE = padded_rows(spec, kv[1]);
  caches->mask = row_mask(spec, caches->k_MKTE.size(2));
  OpPair op;
  op.kept_bytes = 4.0 * static_cast<double>(kv[0].numel() + kv[1].numel() + caches->q_MHE.numel());
  op.kernel = [=](const std::vector<at::Tensor>&, const std::vector<Param>&) {
    return Named{{"out", decode_attention(caches->q_MHE, caches->rows, shape, 0)}};
  };
  op.composed = [=](const std::vector<at::Tensor>&, const std::vector<at::Tensor>&) {
    const auto q = caches->q_MHE.view({count, shape.num_kv_heads, -1, head_size});
    const auto scores = at::matmul(q, caches->k_MKTE.transpose(2, 3)) / std::sqrt(static_cast<double>(head_size));
    return Named{{"out", at::matmul(at::softmax(scores + caches->mask, -1), caches->v_MKTE).flatten(1, 2)}};
  };
  return op;
}

double compare_decode_attention(const OpSpec& spec) {
  at::manual_seed(spec.seed);
  const int64_t heads = spec.size("heads"), head_size = spec.size("headSize");
  const KvShape shape{1, spec.size("kvHeads"), head_size};
  AttentionPlan plan;
  for (const auto& group : spec.groups) append_group(plan, group.at(0), {group.begin() + 1, group.end()});
  const auto rows = static_cast<int64_t>(plan.rows.size());
  const auto q_THE = at::randn({rows, heads, head_size});
  const std::array<at::Tensor, 2> kv{at::randn({rows, shape.num_kv_heads, head_size}),
                                     at::randn({rows, shape.num_kv_heads, head_size})};
  std::vector<int64_t> newest;
  std::vector<FilledGroup> groups;
  for (size_t g = 0; g < spec.groups.size(); ++g)
    groups.push_back(fill_group(spec.groups[g], plan.blocks[g].begin, shape, kv, newest));
  std::vector<DecodeRow> decode_rows;
  for (const auto& group : groups)
    for (const auto& own : group.responses) decode_rows.push_back({group.prompt.get(), &own});
  const auto index = at::tensor(newest, at::kLong);
  const auto actual = decode_attention(q_THE.index_select(0, index), decode_rows, shape, 0);
  return relative_difference(actual, group_attention_composed({q_THE, kv[0], kv[1]}, plan).index_select(0, index));
}

double compare_decode(const Policy& policy, const GroupBatch& batch, int64_t chunk_rows) {
  at::NoGradGuard no_grad;
  const auto decoder = make_decoder(policy);
  std::vector<ViewedGroup> groups;
  for (const auto& group : batch.groups) groups.push_back({&group, nullptr});
  const auto expected_RV = decoder->logits(predicting_hidden(policy, pack_groups(policy, groups)));
  std::vector<std::unique_ptr<CachedPrompt>> prefilled;
  for (const auto& group : batch.groups) {
    prefilled.push_back(decoder->open(group.prompt));
    while (!prefilled.back()->prefilled()) decoder->prefill(*prefilled.back(), chunk_rows);
  }
  std::list<Fed> live;
  double worst = 0;
  const auto check_row = [&](const at::Tensor& logits_V, int64_t row) {
    worst = std::max(worst, relative_difference(logits_V, expected_RV[row]));
  };
  int64_t row = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const auto& response : groups[g].group->responses) {
      if (response.empty()) continue;
      check_row(decoder->logits(prefilled[g]->last_hidden_1D)[0], row);
      live.push_back({decoder->begin(*prefilled[g]), &response, row});
      row += static_cast<int64_t>(response.size());
    }
  }
  for (size_t t = 0;; ++t) {
    live.remove_if([&](const Fed& fed) { return t + 1 >= fed.tokens->size(); });
    if (live.empty()) return worst;
    std::vector<DecodingResponse*> decoding;
    std::vector<int64_t> tokens;
    for (auto& fed : live) {
      decoding.push_back(fed.decoding.get());
      tokens.push_back((*fed.tokens)[t]);
    }
    const auto logits_MV = decoder->step(decoding, tokens);
    int64_t at = 0;
    for (const auto& fed : live) check_row(logits_MV[at++], fed.first_row + static_cast<int64_t>(t) + 1);
  }
}

}  // namespace papo
