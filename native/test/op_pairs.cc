// Every op with a hand-written gradient beside its composed reference.
#include "attention/group_attention.h"
#include "core/error.h"
#include "ops/embedding.h"
#include "ops/kl_divergence.h"
#include "ops/layer_input.h"
#include "ops/layer_output.h"
#include "ops/linear.h"
#include "ops/product.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/row_linear.h"
#include "ops/swiglu.h"
#include "ops/token_log_probs.h"
#include "test/stateful_pairs.h"

namespace papo {
namespace {

using Tensors = std::vector<at::Tensor>;
using Params = std::vector<Param>;

// Drawn on the host and so the same on every device.
at::Tensor normal(at::IntArrayRef sizes, const OpSpec& spec) {
  return to_device(at::randn(sizes, at::kDouble).to(spec.dtype));
}
at::Tensor below(int64_t end, int64_t count) { return to_device(at::randint(end, {count}, at::kLong)); }

// Of random angles, [rows, headSize] each.
std::pair<at::Tensor, at::Tensor> rotary_tables(int64_t rows, int64_t head_size, at::ScalarType dtype) {
  const auto half = at::randn({rows, head_size / 2}, at::kDouble), angles = at::cat({half, half}, 1);
  return {to_device(angles.cos().to(dtype)), to_device(angles.sin().to(dtype))};
}

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
  const auto tables = rotary_tables(rows, size, spec.dtype);
  const auto &cos = tables.first, &sin = tables.second;
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

// Forward only; `library` as in ProductLibrary, onto ones with `add`, with the shapes and strides of a layer's three
// products.
OpPair product_pair(const OpSpec& spec) {
  const auto library = static_cast<ProductLibrary>(spec.size("library"));
  const bool add = spec.size("add") != 0;
  const int64_t rows = spec.size("rows");
  OpPair op;
  op.inputs = {{"x", normal({rows, spec.size("in")}, spec)},
               {"w", normal({spec.size("out"), spec.size("in")}, spec)},
               {"g", normal({rows, spec.size("out")}, spec)}};
  op.kernel = [=](const Tensors& in, const Params&) {
    at::NoGradGuard no_grad;
    const auto by = [&](const at::Tensor& a, const at::Tensor& b) {
      // In the middle of a tensor, as a block of rows is: what is written beside it shows.
      const auto around = at::ones({a.size(0) + 2, b.size(1)}, a.options());
      product_by(library, around.narrow(0, 1, a.size(0)), a, b, add);
      return around;
    };
    return Named{{"x w^T", by(in[0], in[1].t())}, {"g w", by(in[2], in[1])}, {"g^T x", by(in[2].t(), in[0])}};
  };
  op.composed = [=](const Tensors& in, const Tensors&) {
    at::NoGradGuard no_grad;
    const auto by = [&](const at::Tensor& a, const at::Tensor& b) {
      const auto edge = at::ones({1, b.size(1)}, a.options());
      return at::cat({edge, at::mm(a, b) + (add ? 1 : 0), edge}, 0);
    };
    return Named{{"x w^T", by(in[0], in[1].t())}, {"g w", by(in[2], in[1])}, {"g^T x", by(in[2].t(), in[0])}};
  };
  return op;
}

// Forward only.
OpPair row_linear_pair(const OpSpec& spec) {
  OpPair op = linear_pair(spec);
  auto laid_out = std::make_shared<std::optional<RowLinear>>();
  const bool keep_panels = spec.size("keepPanels") != 0;
  op.kernel = [=](const Tensors& in, const Params& w) {
    at::NoGradGuard no_grad;
    if (!*laid_out) laid_out->emplace(w[0], w.size() > 1 ? w[1] : Param{}, keep_panels);
    return Named{{"y", (**laid_out)(in[0])}};
  };
  op.composed = [](const Tensors& in, const Tensors& w) {
    at::NoGradGuard no_grad;
    return Named{{"y", linear_composed(in[0], w[0], w.size() > 1 ? w[1] : at::Tensor())}};
  };
  return op;
}

OpPair embedding_pair(const OpSpec& spec) {
  const auto ids = below(spec.size("vocab"), spec.size("rows"));
  OpPair op;
  op.weights = {{"table", normal({spec.size("vocab"), spec.size("width")}, spec)}};
  op.kernel = [=](const Tensors&, const Params& w) { return Named{{"y", embedding(ids, w[0])}}; };
  op.composed = [=](const Tensors&, const Tensors& w) { return Named{{"y", w[0].index_select(0, ids)}}; };
  return op;
}

OpPair token_log_probs_pair(const OpSpec& spec) {
  const int64_t vocab = spec.size("vocab"), rows = spec.size("rows"), width = spec.size("width");
  const auto targets = below(vocab, rows);
  const int64_t bytes = spec.size("tileBytes");  // of tiles, and of a device's chunks
  const HeadOptions options{spec.number("temperature"), spec.size("entropy") != 0, bytes, bytes};
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

OpPair kl_divergence_pair(const OpSpec& spec) {
  const int64_t vocab = spec.size("vocab"), rows = spec.size("rows"), width = spec.size("width");
  const KlOptions options{spec.number("temperature"), spec.size("chunkBytes")};
  OpPair op;
  op.inputs = {{"p", normal({rows, width}, spec)}, {"q", normal({rows, width}, spec)}};
  op.weights = {{"p head", normal({vocab, width}, spec)}, {"q head", normal({vocab, width}, spec)}};
  op.kernel = [=](const Tensors& in, const Params& w) {
    return Named{{"kl", kl_divergence({in[0], w[0]}, {in[1], w[1]}, options)}};
  };
  op.composed = [=](const Tensors& in, const Tensors& w) {
    return Named{{"kl", kl_divergence_composed(in[0], w[0], in[1], w[1], options.temperature)}};
  };
  return op;
}

OpPair group_attention_pair(const OpSpec& spec) {
  auto plan = std::make_shared<AttentionPlan>();
  for (const auto& group : spec.groups) append_group(*plan, group.at(0), {group.begin() + 1, group.end()});
  for (int64_t rows : spec.full_blocks) append_full_block(*plan, rows);
  const auto rows = static_cast<int64_t>(plan->rows.size());
  const int64_t heads = spec.size("heads"), kv_heads = spec.size("kvHeads"), head_size = spec.size("headSize");
  OpPair op;
  op.inputs = {{"qkv", normal({rows, heads + 2 * kv_heads, head_size}, spec)}};
  op.kernel = [=](const Tensors& in, const Params&) { return Named{{"out", group_attention(in[0], heads, plan)}}; };
  op.composed = [=](const Tensors& in, const Tensors&) {
    return Named{{"out", group_attention_composed(split_heads(in[0], heads), *plan)}};
  };
  return op;
}

OpPair layer_input_pair(const OpSpec& spec) {
  const int64_t rows = spec.size("rows"), width = spec.size("width"), heads = spec.size("heads");
  const HeadLayout layout{spec.size("rotated"), heads, spec.size("headSize")};
  const auto tables = rotary_tables(rows, layout.head_size, spec.dtype);
  const auto &cos = tables.first, &sin = tables.second;
  const double eps = 1e-6;
  OpPair op;
  op.inputs = {{"x", normal({rows, width}, spec)}};
  op.weights = {{"norm", normal({width}, spec)},
                {"qkv", normal({heads * layout.head_size, width}, spec) / std::sqrt(static_cast<double>(width))},
                {"bias", normal({heads * layout.head_size}, spec)}};
  op.kernel = [=](const Tensors& in, const Params& w) {
    return Named{{"heads", layer_input(in[0], {w[0], w[1], w[2], eps}, layout, cos, sin)}};
  };
  op.composed = [=](const Tensors& in, const Tensors& w) {
    const auto all =
        linear_composed(rms_norm_composed(in[0], w[0], eps), w[1], w[2]).view({rows, heads, layout.head_size});
    return Named{{"heads", at::cat({rope_composed(all.narrow(1, 0, layout.num_rotated), cos, sin),
                                    all.narrow(1, layout.num_rotated, heads - layout.num_rotated)},
                                   1)}};
  };
  return op;
}

OpPair layer_output_pair(const OpSpec& spec) {
  const int64_t rows = spec.size("rows"), width = spec.size("width"), inner = spec.size("inner"),
                attended = spec.size("attended");
  const double eps = 1e-6;
  const auto matrix = [&](int64_t out, int64_t in) {
    return normal({out, in}, spec) / std::sqrt(static_cast<double>(in));
  };
  OpPair op;
  op.inputs = {{"x", normal({rows, width}, spec)}, {"attended", normal({rows, attended}, spec)}};
  op.weights = {{"o", matrix(width, attended)},
                {"norm", normal({width}, spec)},
                {"gate up", matrix(2 * inner, width)},
                {"down", matrix(width, inner)}};
  const bool biased = spec.size("bias") != 0;
  if (biased)
    for (auto [name, size] : {std::pair{"o bias", width}, {"gate up bias", 2 * inner}, {"down bias", width}})
      op.weights.emplace_back(name, normal({size}, spec));
  op.kernel = [=](const Tensors& in, const Params& w) {
    const auto bias = [&](size_t index) { return biased ? w[index] : Param{}; };
    return Named{{"y", layer_output(in[0], in[1], {w[0], bias(4), w[1], w[2], bias(5), w[3], bias(6), eps})}};
  };
  op.composed = [=](const Tensors& in, const Tensors& w) {
    const auto bias = [&](size_t index) { return biased ? w[index] : at::Tensor(); };
    const auto x = in[0] + linear_composed(in[1], w[0], bias(4));
    const auto hidden = swiglu_composed(linear_composed(rms_norm_composed(x, w[1], eps), w[2], bias(5)));
    return Named{{"y", x + linear_composed(hidden, w[3], bias(6))}};
  };
  return op;
}

}  // namespace

OpPair make_op(const std::string& name, const OpSpec& spec) {
  const std::pair<const char*, OpPair (*)(const OpSpec&)> pairs[] = {{"rms_norm", rms_norm_pair},
                                                                     {"swiglu", swiglu_pair},
                                                                     {"rope", rope_pair},
                                                                     {"linear", linear_pair},
                                                                     {"row_linear", row_linear_pair},
                                                                     {"product", product_pair},
                                                                     {"embedding", embedding_pair},
                                                                     {"token_log_probs", token_log_probs_pair},
                                                                     {"head_gradient", head_gradient_pair},
                                                                     {"kl_divergence", kl_divergence_pair},
                                                                     {"group_attention", group_attention_pair},
                                                                     {"layer_input", layer_input_pair},
                                                                     {"layer_output", layer_output_pair},
                                                                     {"decode_attention", decode_attention_pair},
                                                                     {"adamw", adamw_pair},
                                                                     {"sampler", sampler_pair}};
  at::manual_seed(spec.seed);
  for (const auto& [own, make] : pairs) {
    if (name != own) continue;
    auto op = make(spec);
    op.trained = spec.size("trained") != 0;
    return op;
  }
  throw Error("E_VALUE", "make_op", "no op " + name);
}

Differences compare_op(const std::string& name, const OpSpec& spec) {
  const auto op = make_op(name, spec);
  return op.check ? op.check() : compare(op);
}

}  // namespace papo
