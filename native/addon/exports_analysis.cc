// What is measured of a policy for people to look at: attention to pictures, KL token by token.
#include "addon/exports.h"
#include "addon/parse_objective.h"
#include "addon/policy_values.h"
#include "model/qwen2_5_vl/image_attention.h"
#include "rl/ragged.h"

namespace papo {
namespace {

Napi::Float64Array to_array(Napi::Env env, const std::vector<double>& values) {
  auto out = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

// imageAttention(policy, batch, {maxTokens, chunkBytes?}, watch): Promise<Float64Array[]>
Napi::Value ImageAttention(const Napi::CallbackInfo& info) {
  constexpr const char* op = "image_attention";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    auto batch = get_handle<GroupBatch>(info[1], op);
    const Fields fields(info[2], op, "options");
    ImageAttentionSpec spec{.max_tokens = fields.integer("maxTokens")};
    if (fields.has("chunkBytes")) spec.chunk_bytes = fields.integer("chunkBytes");
    const auto watch = parse_watch(info[3]);
    using Rows = std::vector<std::vector<double>>;
    return run_on_device(info.Env(), op, watch.cancel,
                         on_device_of(policy,
                                      [=] {
                                        Rows rows;
                                        for (const auto& attention_M : image_attention(*policy, *batch, spec, watch))
                                          rows.push_back(to_doubles(attention_M));
                                        return rows;
                                      }),
                         [](Napi::Env env, const Rows& rows) {
                           auto out = Napi::Array::New(env, rows.size());
                           for (uint32_t i = 0; i < rows.size(); ++i) out.Set(i, to_array(env, rows[i]));
                           return out;
                         });
  });
}

// klPerToken(logProbs, other, estimator): Promise<Float64Array>
Napi::Value KlPerToken(const Napi::CallbackInfo& info) {
  constexpr const char* op = "kl_per_token";
  return guarded(info.Env(), op, [&] {
    auto own = get_handle<LogProbs>(info[0], op);
    auto other = get_handle<LogProbs>(info[1], op);
    const auto estimator = parse_kl_estimator(info[2].ToString(), op);
    return run_on_device(
        info.Env(), op, [=] { return to_doubles(kl_estimate(own->log_probs_R, other->log_probs_R, estimator)); },
        to_array);
  });
}

}  // namespace

void export_analysis(Napi::Env env, Napi::Object exports) {
  exports.Set("imageAttention", Napi::Function::New(env, ImageAttention, "imageAttention"));
  exports.Set("klPerToken", Napi::Function::New(env, KlPerToken, "klPerToken"));
}

}  // namespace papo
