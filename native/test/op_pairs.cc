// Every op with a hand-written gradient beside its composed reference.
#include "attention/group_attention.h"
#include "core/error.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/row_linear.h"
#include "ops/swiglu.h"
#include "ops/token_log_probs.h"
#include "test/compare.h"

namespace papo {
namespace {

using Tensors = std::vector<at::Tensor>;
using Params = std::vector<Param>;

at::Tensor normal(at::IntArrayRef sizes, const OpSpec& spec) { return at::randn(sizes, at::kDouble).to(spec.dtype); }

OpPair rms_norm_pair(const OpSpec& spec) {
  const double eps = 1e-6;
  OpPair op;
  op.inputs = {{"x", normal({spec.size("rows"), spec.size("width")}, spec)}};
  op.weights = {{"weight", normal({spec.size("width")}, spec)}};
  op.kernel = [=](const Tensors& in, const Params& w) { return Named{{"y", rms_norm(in[0], w[0], eps)}}; };
  op.composed = [=](const Tensors& in, const Tensors& w) { return Named{{"y", rms_norm_composed(in[0], w[0], eps)}}; };
  return op;
}

OpPair swiglu_pair(const OpSpec& spec) {
  OpPair op;
  op.inputs = {{"x", normal({spec.size("rows"), 2 * spec.size("width")}, spec) * spec.number("scale")}};
  op.kernel = [](const Tensors& in, const Params&) { return Named{{"y", swiglu(in[0])}}; };
  op.composed = [](const Tensors& in, const Tensors&) { return Named{{"y", swiglu_composed(in[0])}}; };
  return op;
}

// Heads [1, heads] of a wider tensor, so that rows are not contiguous.
OpPair rope_pair(const OpSpec& spec) {
  const int64_t rows = spec.size("rows"), heads = spec.size("heads"), size = spec.size("headSize");
  const auto half = at::randn({rows, size / 2}, at::kDouble), angles = at::cat({half, half}, 1);
  const auto cos = angles.cos().to(spec.dtype), sin = angles.sin().to(spec.dtype);
  OpPair op;
  op.inputs = {{"x", normal({rows, heads + 2, size}, spec)}};
  op.kernel = [=](const Tensors& in, const Params&) { return Named{{"y", rope(in[0].narrow(1, 1, heads), cos, sin)}}; };
  op.composed = [=](const Tensors& in, const Tensors&) {
    return Named{{"y", rope_composed(in[0].narrow(1, 1, heads), cos, sin)}};
  };
  return op;
}

OpPair linear_pair(const OpSpec& spec) {
  const int64_t in_size = spec.size("in"), out_size = spec.size("out");
  OpPair op;
  op.inputs = {{"x", normal({spec.size("rows"), in_size}, spec)}};
  op.weights = {{"weight", normal({out_size, in_size}, spec)}};
  if (spec.size("bias") != 0) op.weights.emplace_back("bias", normal({out_size}, spec));
  op.kernel = [](const Tensors& in, const Params& w) {
    return Named{{"y", linear(in[0], w[0], w.size() > 1 ? w[1] : Param{})}};
  };
  op.composed = [](const Tensors& in, const Tensors& w) {
    return Named{{"y", linear_composed(in[0], w[0], w.size() > 1 ? w[1] : at::Tensor())}};
  };
  return op;
}

// Forward only.
OpPair row_linear_pair(const OpSpec& spec) {
  OpPair op = linear_pair(spec);
  op.kernel = [](const Tensors& in, const Params& w) {
    at::NoGradGuard no_grad;
    return Named{{"y", RowLinear(w[0], w.size() > 1 ? w[1] : Param{})(in[0])}};
  };
  op.composed = [](const Tensors& in, const Tensors& w) {
    at::NoGradGuard no_grad;
    return Named{{"y", linear_composed(in[0], w[0], w.size() > 1 ? w[1] : at::Tensor())}};
  };
  return op;
}

OpPair embedding_pair(const OpSpec& spec) {
  const auto ids = at::randint(spec.size("vocab"), {spec.size("rows")}, at::kLong);
  OpPair op;
  op.weights = {{"table", normal({spec.size("vocab"), spec.size("width")}, spec)}};
  op.kernel = [=](const Tensors&, const Params& w) { return Named{{"y", embedding(ids, w[0])}}; };
  op.composed = [=](const Tensors&, const Tensors& w) { return Named{{"y", w[0].index_select(0, ids)}}; };
  return op;
}

OpPair token_log_probs_pair(const OpSpec& spec) {
  const int64_t vocab = spec.size("vocab"), rows = spec.size("rows"), width = spec.size("width");
  const auto targets = at::randint(vocab, {rows}, at::kLong);
  const HeadOptions options{spec.number("temperature"), spec.size("entropy") != 0, spec.size("chunkBytes")};
  const auto named = [=](const TokenScores& scores) {
    Named out{{"logProbs", scores.log_probs_N}};
    if (options.with_entropy) out.emplace_back("entropy", scores.entropy_N);
    return out;
  };
  OpPair op;
  op.inputs = {{"hidden", normal({rows, width}, spec)}};
  op.weights = {{"head", normal({vocab, width}, spec)}};
  op.kernel = [=](const Tensors& in, const Params& w) { return named(token_log_probs(in[0], w[0], targets, options)); };
  op.composed = [=](const Tensors& in, const Tensors& w) {
    return named(token_log_probs_composed(in[0], w[0], targets, options.temperature));
  };
  return op;
}

// `fused`: q, k and v are slices of one tensor, as the projection gives them.
OpPair group_attention_pair(const OpSpec& spec) {
  auto plan = std::make_shared<AttentionPlan>();
  for (const auto& group : spec.groups) append_group(*plan, group.at(0), {group.begin() + 1, group.end()});
  for (int64_t rows : spec.full_blocks) append_full_block(*plan, rows);
  const auto rows = static_cast<int64_t>(plan->rows.size());
  const int64_t heads = spec.size("heads"), kv_heads = spec.size("kvHeads"), head_size = spec.size("headSize");
  const bool fused = spec.size("fused") != 0;
  const auto slices = [=](const Tensors& in) {
    if (!fused) return in;
    const auto all = at::cat(in, 1);
    return Tensors{all.narrow(1, 0, heads), all.narrow(1, heads, kv_heads), all.narrow(1, heads + kv_heads, kv_heads)};
  };
  OpPair op;
  op.inputs = {{"q", normal({rows, heads, head_size}, spec)},
               {"k", normal({rows, kv_heads, head_size}, spec)},
               {"v", normal({rows, kv_heads, head_size}, spec)}};
  op.kernel = [=](const Tensors& in, const Params&) {
    const auto qkv = slices(in);
    return Named{{"out", group_attention(qkv[0], qkv[1], qkv[2], plan)}};
  };
  op.composed = [=](const Tensors& in, const Tensors&) {
    const auto qkv = slices(in);
    return Named{{"out", group_attention_composed(qkv[0], qkv[1], qkv[2], *plan)}};
  };
  return op;
}

}  // namespace

Differences compare_op(const std::string& name, const OpSpec& spec) {
  const std::pair<const char*, OpPair (*)(const OpSpec&)> pairs[] = {{"rms_norm", rms_norm_pair},
                                                                     {"swiglu", swiglu_pair},
                                                                     {"rope", rope_pair},
                                                                     {"linear", linear_pair},
                                                                     {"row_linear", row_linear_pair},
                                                                     {"embedding", embedding_pair},
                                                                     {"token_log_probs", token_log_probs_pair},
                                                                     {"group_attention", group_attention_pair}};
  at::manual_seed(spec.seed);
  for (const auto& [own, make] : pairs) {
    if (name != own) continue;
    auto op = make(spec);
    op.trained = spec.size("trained") != 0;
    return compare(op);
  }
  throw Error("E_VALUE", "compare_op", "no op " + name);
}

}  // namespace papo
