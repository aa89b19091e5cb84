// Policies for JavaScript: weights and their files, generation, scoring, the training step, verification.
#include "addon/exports.h"
#include "addon/parse_objective.h"
#include "addon/policy_values.h"
#include "model/verify.h"
#include "rl/reinforce_plus_plus.h"

namespace papo {
namespace {

Napi::Value undefined(Napi::Env env, bool) { return env.Undefined(); }

Napi::Float64Array to_doubles(Napi::Env env, const std::vector<double>& values) {
  auto out = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

Napi::Int32Array to_ids(Napi::Env env, const std::vector<int64_t>& ids) {
  auto out = Napi::Int32Array::New(env, ids.size());
  std::transform(ids.begin(), ids.end(), out.Data(), [](int64_t id) { return static_cast<int32_t>(id); });
  return out;
}

std::function<at::Tensor(const std::string&)> tensors_of(const std::shared_ptr<Policy>& policy) {
  return [policy](const std::string& name) { return policy->store.values(policy->store.entry(name)); };
}

std::function<at::Tensor(const std::string&)> tensors_of(const std::shared_ptr<Adamw>& optimizer) {
  return [optimizer](const std::string& name) {
    for (const auto& [own, tensor] : optimizer->tensors())
      if (own == name) return tensor;
    throw Error("E_VALUE", "optimizer", "no state tensor " + name);
  };
}

// readTensors(target: PolicyHandle | OptimizerHandle, file, entries, watch): Promise<void>
void before_write(Policy& policy) { policy.store.weights_move(); }
void before_write(Adamw&) {}

template <class Target>
Napi::Value ReadTensors(const Napi::CallbackInfo& info) {
  constexpr const char* op = "read_tensors";
  return guarded(info.Env(), op, [&] {
    auto target = get_handle<Target>(info[0], op);
    const std::string file = info[1].ToString();
    auto ranges = parse_ranges(info[2], op, tensors_of(target));
    const auto watch = parse_watch(info[3]);
    return run_on_device(
        info.Env(), op, watch.cancel,
        [=] {
          before_write(*target);
          read_tensors(file, ranges, watch);
          return true;
        },
        undefined);
  });
}

// writeTensors(source: PolicyHandle | OptimizerHandle, file, header: Uint8Array, entries, watch): Promise<void>
template <class Source>
Napi::Value WriteTensors(const Napi::CallbackInfo& info) {
  constexpr const char* op = "write_tensors";
  return guarded(info.Env(), op, [&] {
    auto source = get_handle<Source>(info[0], op);
    const std::string file = info[1].ToString();
    check(info[2].IsTypedArray(), op, "header: expected a Uint8Array", "E_VALUE");
    const auto bytes = info[2].As<Napi::Uint8Array>();
    const std::string header(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
    auto ranges = parse_ranges(info[3], op, tensors_of(source));
    const auto watch = parse_watch(info[4]);
    return run_on_device(
        info.Env(), op, watch.cancel,
        [=] {
          write_tensors(file, header, ranges, watch);
          return true;
        },
        undefined);
  });
}

Checkpointing parse_checkpointing(const Fields& fields) {
  constexpr const char* name = "checkpointActivations";
  if (fields.get(name).IsBoolean()) return fields.flag(name) ? Checkpointing::kAll : Checkpointing::kNone;
  fields.require(fields.get(name).IsString() && fields.text(name) == "auto", name, "true, false or auto");
  return Checkpointing::kAuto;
}

// createPolicy(config: ModelConfig, options: PolicyOptions): Promise<PolicyHandle>
Napi::Value CreatePolicy(const Napi::CallbackInfo& info) {
  constexpr const char* op = "create_policy";
  return guarded(info.Env(), op, [&] {
    const auto config = parse_model_config(info[0], op);
    const Fields fields(info[1], op, "options");
    const PolicyOptions options{parse_dtype(fields.text("dtype"), op), fields.flag("trained"),
                                fields.flag("freezeVisionTower"), parse_checkpointing(fields),
                                fields.has("device") ? parse_device(fields.text("device"), op) : Device::kCpu};
    return run_on_device(
        info.Env(), op, [=] { return std::make_shared<Policy>(config, options); },
        [](Napi::Env env, const std::shared_ptr<Policy>& policy) {
          const auto& store = policy->store;
          const auto bytes = store.flat().nbytes() + (store.flat_grad().defined() ? store.flat_grad().nbytes() : 0);
          return make_handle(env, policy, static_cast<int64_t>(bytes));
        });
  });
}

// initializeWeights(policy, seed, watch): Promise<void>
Napi::Value InitializeWeights(const Napi::CallbackInfo& info) {
  constexpr const char* op = "initialize_weights";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    const auto seed = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
    const auto watch = parse_watch(info[2]);
    return run_on_device(info.Env(), op, watch.cancel,
                         on_device_of(policy,
                                      [=] {
                                        initialize_weights(*policy, seed);
                                        return true;
                                      }),
                         undefined);
  });
}

// shareVisionTower(policy, other): Promise<boolean>
Napi::Value ShareVisionTower(const Napi::CallbackInfo& info) {
  constexpr const char* op = "share_vision_tower";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op), other = get_handle<Policy>(info[1], op);
    return run_on_device(info.Env(), op, on_device_of(policy, [=] { return share_vision_tower(*policy, *other); }),
                         [](Napi::Env env, bool same) { return Napi::Boolean::New(env, same); });
  });
}

// modelTensors(config: ModelConfig): {name, shape}[], with nothing allocated
Napi::Value ModelTensors(const Napi::CallbackInfo& info) {
  constexpr const char* op = "model_tensors";
  return guarded(info.Env(), op, [&] {
    ParameterStore store;
    qwen2_5_vl::declare_weights(store, parse_model_config(info[0], op));
    return shapes_of(info.Env(), store);
  });
}

// updateMemory(sizes, {dtype, device, freezeVisionTower, formsGradient, rows, patches, predicting, head, recomputed,
// available}): {update, scoring, fewest?}
Napi::Value UpdateMemory(const Napi::CallbackInfo& info) {
  constexpr const char* op = "update_memory";
  auto env = info.Env();
  return guarded(env, op, [&] {
    const auto config = parse_model_sizes(info[0], op);
    const Fields fields(info[1], op, "work");
    // Of a device that this build need not have.
    const auto device = fields.text("device") == "cpu" ? Device::kCpu : Device::kCuda;
    const UpdateForm form{number_form(device, parse_dtype(fields.text("dtype"), op)), !fields.flag("freezeVisionTower"),
                          fields.flag("formsGradient"), HeadOptions{}.chunk_bytes};
    const UpdateRows rows{fields.integer("rows"), fields.integer("patches"), fields.integer("predicting"),
                          fields.integer("head"), fields.number("largestPass")};
    const auto again = fields.nested("recomputed");
    auto out = Napi::Object::New(env);
    out.Set("update", update_bytes(config, form, rows, {again.integer("layers"), again.integer("blocks")}));
    out.Set("scoring", scoring_bytes(config, form, rows));
    if (const auto fewest = fewest_recomputed(config, form, rows, fields.number("available"))) {
      auto object = Napi::Object::New(env);
      object.Set("layers", static_cast<double>(fewest->layers));
      object.Set("blocks", static_cast<double>(fewest->blocks));
      out.Set("fewest", object);
    }
    return out;
  });
}

// policyTensors(policy): {name, shape}[]
Napi::Value PolicyTensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "policy_tensors",
                 [&] { return shapes_of(info.Env(), get_handle<Policy>(info[0], "policy_tensors")->store); });
}

Napi::Value to_responses(Napi::Env env, const std::vector<std::vector<SampledResponse>>& groups) {
  auto out = Napi::Array::New(env, groups.size());
  for (uint32_t g = 0; g < groups.size(); ++g) {
    auto responses = Napi::Array::New(env, groups[g].size());
    for (uint32_t r = 0; r < groups[g].size(); ++r) {
      const auto& sampled = groups[g][r];
      auto log_probs = Napi::Float32Array::New(env, sampled.log_probs.size());
      std::copy(sampled.log_probs.begin(), sampled.log_probs.end(), log_probs.Data());
      auto response = Napi::Object::New(env);
      response.Set("ids", to_ids(env, sampled.ids));
      response.Set("logProbs", log_probs);
      response.Set("stopped", sampled.stopped);
      responses.Set(r, response);
    }
    out.Set(g, responses);
  }
  return out;
}

// generate(policy, prompts, spec: GenerateSpec, watch): Promise<SampledResponse[][]>
Napi::Value Generate(const Napi::CallbackInfo& info) {
  constexpr const char* op = "generate";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    check(info[1].IsArray(), op, "prompts: expected an array", "E_VALUE");
    const auto array = info[1].As<Napi::Array>();
    std::vector<PromptInput> prompts;
    for (uint32_t i = 0; i < array.Length(); ++i)
      prompts.push_back(parse_prompt(Fields(array.Get(i), op, "prompts[" + std::to_string(i) + "]")));
    const auto spec = parse_generate_spec(info[2], op);
    const auto watch = parse_watch(info[3]);
    return run_on_device(info.Env(), op, watch.cancel,
                         on_device_of(policy, [=] { return generate(*policy, prompts, spec, watch); }), to_responses);
  });
}

// createBatch(groups: GroupInput[]): BatchHandle
Napi::Value CreateBatch(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "create_batch", [&] {
    return make_handle(info.Env(), std::make_shared<GroupBatch>(parse_batch(info[0], "create_batch")));
  });
}

// Divides logits: 0, the greedy one of sampling, has no log-probs.
double parse_temperature(const Fields& fields) {
  const double temperature = fields.number("temperature");
  fields.require(temperature > 0 && std::isfinite(temperature), "temperature", "a number above 0");
  return temperature;
}

ScoreSpec parse_score_spec(const Fields& fields) {
  return {parse_temperature(fields), fields.flag("entropy"), fields.integer("maxTokens")};
}

// computeLogProbs(policy, batch, {temperature, entropy, view?, maxTokens, firstGroup?}, watch): Promise<LogProbsHandle>
Napi::Value ComputeLogProbs(const Napi::CallbackInfo& info) {
  constexpr const char* op = "compute_log_probs";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    auto batch = get_handle<GroupBatch>(info[1], op);
    const Fields fields(info[2], op, "options");
    const auto spec = parse_score_spec(fields);
    const int64_t first_group = fields.has("firstGroup") ? fields.integer("firstGroup") : 0;
    const auto view = parse_masked_view(fields.get("view"));
    const auto watch = parse_watch(info[3]);
    return run_on_device(
        info.Env(), op, watch.cancel,
        on_device_of(policy,
                     [=] {
                       return log_probs_of(
                           *batch, score_batch(*policy, *batch, spec, view ? &*view : nullptr, first_group, watch));
                     }),
        [](Napi::Env env, const std::shared_ptr<LogProbs>& scores) { return make_handle(env, scores); });
  });
}

// computePlainAndMasked(policy, batch, {temperature, entropy, view, maxTokens, firstGroup}, watch):
// Promise<{plain: LogProbsHandle, masked: LogProbsHandle}>
Napi::Value ComputePlainAndMasked(const Napi::CallbackInfo& info) {
  constexpr const char* op = "compute_plain_and_masked";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    auto batch = get_handle<GroupBatch>(info[1], op);
    const Fields fields(info[2], op, "options");
    const auto spec = parse_score_spec(fields);
    const int64_t first_group = fields.integer("firstGroup");
    const auto view = parse_masked_view(fields.get("view"));
    fields.require(view.has_value(), "view", "a patch mask");
    const auto watch = parse_watch(info[3]);
    using Both = std::pair<std::shared_ptr<LogProbs>, std::shared_ptr<LogProbs>>;
    return run_on_device(
        info.Env(), op, watch.cancel,
        on_device_of(policy,
                     [=] {
                       const auto scores = score_both_views(*policy, *batch, spec, *view, first_group, watch);
                       return Both{log_probs_of(*batch, scores.plain), log_probs_of(*batch, scores.masked)};
                     }),
        [](Napi::Env env, const Both& both) {
          auto out = Napi::Object::New(env);
          out.Set("plain", make_handle(env, both.first));
          out.Set("masked", make_handle(env, both.second));
          return out;
        });
  });
}

// createLogProbs(policy, batch, values: Float32Array[]): Promise<LogProbsHandle>
Napi::Value CreateLogProbs(const Napi::CallbackInfo& info) {
  constexpr const char* op = "create_log_probs";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    auto batch = get_handle<GroupBatch>(info[1], op);
    auto rows = parse_float_rows(info[2], op, "values");
    return run_on_device(
        info.Env(), op,
        on_device_of(policy, [=, rows = std::move(rows)] { return given_log_probs(*policy, *batch, rows); }),
        [](Napi::Env env, const std::shared_ptr<LogProbs>& values) { return make_handle(env, values); });
  });
}

// logProbValues(logProbs): Promise<Float64Array>: for samples and tests, [R]
Napi::Value LogProbValues(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "log_prob_values", [&] {
    auto scores = get_handle<LogProbs>(info[0], "log_prob_values");
    return run_on_device(
        info.Env(), "log_prob_values", [=] { return papo::to_doubles(scores->log_probs_R); }, to_doubles);
  });
}

// entropyValues(logProbs): Promise<Float64Array>: [R] over the vocabulary
Napi::Value EntropyValues(const Napi::CallbackInfo& info) {
  constexpr const char* op = "entropy_values";
  return guarded(info.Env(), op, [&] {
    auto scores = get_handle<LogProbs>(info[0], op);
    check(scores->entropy_R.defined(), op, "expected log-probs of a pass with entropies", "E_VALUE");
    return run_on_device(
        info.Env(), op, [=] { return papo::to_doubles(scores->entropy_R); }, to_doubles);
  });
}

// klPerResponse(logProbs, other, estimator): Promise<{sums: Float64Array, means: Float64Array}>
Napi::Value KlSums(const Napi::CallbackInfo& info) {
  constexpr const char* op = "kl_per_response";
  return guarded(info.Env(), op, [&] {
    auto own = get_handle<LogProbs>(info[0], op);
    auto other = get_handle<LogProbs>(info[1], op);
    const auto estimator = parse_kl_estimator(info[2].ToString(), op);
    return run_on_device(
        info.Env(), op,
        [=] {
          return kl_per_response(kl_estimate(own->log_probs_R, other->log_probs_R, estimator), own->response_lengths);
        },
        [](Napi::Env env, const KlPerResponse& kl) {
          auto out = Napi::Object::New(env);
          out.Set("sums", to_doubles(env, kl.sums));
          out.Set("means", to_doubles(env, kl.means));
          return out;
        });
  });
}

// createOptimizer(policy, spec: AdamwSpec): Promise<OptimizerHandle>
Napi::Value CreateOptimizer(const Napi::CallbackInfo& info) {
  constexpr const char* op = "create_optimizer";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    const auto spec = parse_adamw_spec(info[1], op);
    return run_on_device(info.Env(), op,
                         on_device_of(policy, [=] { return std::make_shared<Adamw>(policy->store, spec); }),
                         [](Napi::Env env, const std::shared_ptr<Adamw>& optimizer) {
                           int64_t bytes = 0;
                           for (const auto& [name, tensor] : optimizer->tensors())
                             bytes += static_cast<int64_t>(tensor.nbytes());
                           return make_handle(env, optimizer, bytes);
                         });
  });
}

// optimizerTensors(optimizer): {name, shape, dtype}[]
Napi::Value OptimizerTensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "optimizer_tensors", [&] {
    const auto optimizer = get_handle<Adamw>(info[0], "optimizer_tensors");
    auto out = Napi::Array::New(info.Env());
    for (const auto& [name, tensor] : optimizer->tensors()) {
      auto object = shape_object(info.Env(), name, tensor.sizes());
      const auto type = tensor.scalar_type();
      object.Set("dtype", type == at::kBFloat16 ? "BF16" : type == at::kDouble ? "F64" : "F32");
      out.Set(out.Length(), object);
    }
    return out;
  });
}

// optimizerNumSteps(optimizer): number
Napi::Value OptimizerNumSteps(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "optimizer_num_steps", [&] {
    const auto steps = get_handle<Adamw>(info[0], "optimizer_num_steps")->num_steps();
    return Napi::Number::New(info.Env(), static_cast<double>(steps));
  });
}

// setOptimizerNumSteps(optimizer, steps): Promise<void>
Napi::Value SetOptimizerNumSteps(const Napi::CallbackInfo& info) {
  constexpr const char* op = "set_optimizer_num_steps";
  return guarded(info.Env(), op, [&] {
    auto optimizer = get_handle<Adamw>(info[0], op);
    const int64_t steps = info[1].ToNumber().Int64Value();
    return run_on_device(
        info.Env(), op,
        [=] {
          optimizer->set_num_steps(steps);
          return true;
        },
        undefined);
  });
}

// optimizerStep(optimizer, policy, lr, maxGradNorm, watch): Promise<{gradNorm, skipped}>
Napi::Value OptimizerStep(const Napi::CallbackInfo& info) {
  constexpr const char* op = "optimizer_step";
  return guarded(info.Env(), op, [&] {
    auto optimizer = get_handle<Adamw>(info[0], op);
    auto policy = get_handle<Policy>(info[1], op);
    const double lr = info[2].ToNumber(), max_grad_norm = info[3].ToNumber();
    const auto watch = parse_watch(info[4]);
    return run_on_device(info.Env(), op, watch.cancel,
                         on_device_of(policy, [=] { return optimizer->step(policy->store, lr, max_grad_norm); }),
                         [](Napi::Env env, const StepReport& report) {
                           auto out = Napi::Object::New(env);
                           out.Set("gradNorm", report.grad_norm);
                           out.Set("skipped", report.skipped);
                           return out;
                         });
  });
}

std::shared_ptr<const LogProbs> optional_log_probs(const Fields& fields, const char* name, const char* op) {
  return fields.has(name) ? get_handle<LogProbs>(fields.get(name), op) : nullptr;
}

// forwardBackward(policy, batch, spec: LossSpec, inputs: UpdateInputs, watch): Promise<LossReport>
Napi::Value ForwardBackward(const Napi::CallbackInfo& info) {
  constexpr const char* op = "forward_backward";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    auto batch = get_handle<GroupBatch>(info[1], op);
    const auto spec = parse_objective_spec(info[2]);
    const Fields fields(info[3], op, "inputs");
    UpdateInputs inputs;
    inputs.first_group = fields.integer("firstGroup");
    inputs.last_group = fields.integer("lastGroup");
    inputs.temperature = parse_temperature(fields);
    inputs.max_tokens = fields.integer("maxTokens");
    if (fields.has("chunkBytes")) inputs.chunk_bytes = fields.integer("chunkBytes");
    inputs.old_log_probs = optional_log_probs(fields, "oldLogProbs", op);
    inputs.ref_log_probs = optional_log_probs(fields, "refLogProbs", op);
    inputs.aug_log_probs = optional_log_probs(fields, "augLogProbs", op);
    inputs.rollout_log_probs = optional_log_probs(fields, "rolloutLogProbs", op);
    if (fields.has("reference")) inputs.reference = get_handle<Policy>(fields.get("reference"), op);
    const auto advantages = optional_log_probs(fields, "tokenAdvantages", op);
    if (advantages) inputs.advantages_R = advantages->log_probs_R;
    inputs.weights = parse_response_weights(fields.get("weights"));
    const auto view = parse_masked_view(fields.get("recompute"));
    const auto watch = parse_watch(info[4]);
    return run_on_device(info.Env(), op, watch.cancel,
                         on_device_of(policy,
                                      [=]() mutable {
                                        if (view) inputs.recompute = &*view;
                                        return forward_backward(*policy, *batch, spec, inputs, watch);
                                      }),
                         [](Napi::Env env, const UpdateReport& report) {
                           auto out = Napi::Object::New(env), metrics = Napi::Object::New(env);
                           for (const auto& [name, value] : report.metrics) metrics.Set(name, value);
                           out.Set("metrics", metrics);
                           out.Set("numTokens", static_cast<double>(report.num_tokens));
                           out.Set("recomputedLayers", static_cast<double>(report.recomputed.layers));
                           out.Set("recomputedBlocks", static_cast<double>(report.recomputed.blocks));
                           out.Set("predictedPeakBytes", report.predicted_peak);
                           out.Set("perceptionKl", to_doubles(env, report.perception_kl));
                           if (report.rollout_difference) {
                             auto difference = Napi::Object::New(env);
                             difference.Set("max", report.rollout_difference->max);
                             difference.Set("mean", report.rollout_difference->mean);
                             out.Set("rolloutDifference", difference);
                           }
                           return out;
                         });
  });
}

// REINFORCE++ with the KL in the reward:
// tokenAdvantages(old, ref, {rewards, estimator, coef}): Promise<LogProbsHandle> (advantages per token)
Napi::Value TokenAdvantages(const Napi::CallbackInfo& info) {
  constexpr const char* op = "token_advantages";
  return guarded(info.Env(), op, [&] {
    auto own = get_handle<LogProbs>(info[0], op);
    auto ref = get_handle<LogProbs>(info[1], op);
    const Fields fields(info[2], op, "options");
    const auto rewards_value = fields.get("rewards");
    fields.require(rewards_value.IsTypedArray(), "rewards", "a Float64Array");
    const auto rewards = rewards_value.As<Napi::Float64Array>();
    ReinforcePlusPlusBatch rpp{
        {rewards.Data(), rewards.Data() + rewards.ElementLength()}, own->response_lengths, {}, fields.number("coef")};
    const auto estimator = parse_kl_estimator(fields.text("estimator"), op);
    return run_on_device(
        info.Env(), op,
        [=]() mutable {
          rpp.kl_R = kl_estimate(own->log_probs_R, ref->log_probs_R, estimator);
          return std::make_shared<LogProbs>(LogProbs{reinforce_plus_plus_advantages(rpp), {}, own->response_lengths});
        },
        [](Napi::Env env, const std::shared_ptr<LogProbs>& advantages) { return make_handle(env, advantages); });
  });
}

// meanPerResponse(values: LogProbsHandle): Promise<Float64Array> [n]
Napi::Value MeanPerResponse(const Napi::CallbackInfo& info) {
  constexpr const char* op = "mean_per_response";
  return guarded(info.Env(), op, [&] {
    auto values = get_handle<LogProbs>(info[0], op);
    return run_on_device(
        info.Env(), op,
        [=] {
          const Ragged ragged(values->response_lengths, values->log_probs_R.device());
          auto means = papo::to_doubles(sum_per_response(values->log_probs_R.to(at::kDouble), ragged));
          for (size_t i = 0; i < means.size(); ++i) means[i] /= std::max<double>(1, values->response_lengths[i]);
          return means;
        },
        [](Napi::Env env, const std::vector<double>& means) { return to_doubles(env, means); });
  });
}

std::vector<qwen2_5_vl::GridThw> parse_grids(const Fields& fields, const char* name) {
  std::vector<qwen2_5_vl::GridThw> grids;
  fields.each(name, [&](const Napi::Value& value) {
    fields.require(value.IsArray() && value.As<Napi::Array>().Length() == 3, name, "three integers each");
    auto& grid = grids.emplace_back();
    for (uint32_t i = 0; i < 3; ++i) grid[i] = value.As<Napi::Array>().Get(i).ToNumber().Int64Value();
  });
  return grids;
}

// ropePositions(config: ModelConfig, {ids, imageGridThw, videoGridThw?, secondsPerGrid?}): Int32Array [3 * T], row
// after row
Napi::Value RopePositionRows(const Napi::CallbackInfo& info) {
  constexpr const char* op = "rope_positions";
  return guarded(info.Env(), op, [&] {
    const auto config = parse_model_config(info[0], op);
    const Fields fields(info[1], op, "prompt");
    std::vector<qwen2_5_vl::Video> videos;
    if (fields.has("videoGridThw"))
      for (const auto& grid : parse_grids(fields, "videoGridThw")) videos.push_back({grid});
    if (fields.has("secondsPerGrid")) {
      size_t index = 0;
      fields.each("secondsPerGrid", [&](const Napi::Value& value) {
        if (index < videos.size()) videos[index].seconds_per_grid = value.ToNumber().DoubleValue();
        ++index;
      });
      fields.require(index == videos.size(), "secondsPerGrid", "one number a video");
    }
    const auto positions =
        qwen2_5_vl::rope_positions(fields.ids("ids"), parse_grids(fields, "imageGridThw"), videos, config);
    std::vector<int64_t> rows;
    for (int axis = 0; axis < 3; ++axis)
      for (const auto& position : positions.rows) rows.push_back(position[axis]);
    return to_ids(info.Env(), rows);
  });
}

// verifyCase(policy, {prompt, response, file, entries}): Promise<VerifyReport>
Napi::Value VerifyCase(const Napi::CallbackInfo& info) {
  constexpr const char* op = "verify_case";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    const Fields fields(info[1], op, "case");
    auto golden = std::make_shared<GoldenCase>();
    golden->prompt = parse_prompt(fields.nested("prompt"));
    golden->response = fields.ids("response");
    const auto load = [&](const char* name, at::Tensor& into) {
      if (!fields.has(name)) return std::vector<TensorRange>{};
      const auto entry = fields.nested(name);
      into = at::empty(entry.integers("shape"), at::kFloat);
      return std::vector<TensorRange>{{into, parse_file_dtype(entry.text("dtype"), op), entry.integer("byteOffset")}};
    };
    std::vector<TensorRange> ranges;
    for (auto [name, into] : {std::pair{"imageEmbeds", &golden->image_embeds_MD},
                              {"logits", &golden->logits_TV},
                              {"logProbs", &golden->log_probs_R},
                              {"entropy", &golden->entropy_R}})
      for (auto& range : load(name, *into)) ranges.push_back(range);
    const std::string file = fields.text("file");
    return run_on_device(info.Env(), op,
                         on_device_of(policy,
                                      [=] {
                                        read_tensors(file, ranges, {});
                                        return verify_case(*policy, *golden);
                                      }),
                         [](Napi::Env env, const VerifyReport& report) {
                           auto out = Napi::Object::New(env);
                           out.Set("imageEmbeds", report.image_embeds);
                           out.Set("logits", report.logits);
                           out.Set("logProbs", report.log_probs);
                           out.Set("entropy", report.entropy);
                           out.Set("decodeLogits", report.decode_logits);
                           auto grads = Napi::Array::New(env, report.grads.size());
                           for (uint32_t i = 0; i < report.grads.size(); ++i) {
                             auto grad = Napi::Object::New(env);
                             grad.Set("name", report.grads[i].name);
                             grad.Set("norm", report.grads[i].norm);
                             grad.Set("probe", report.grads[i].probe);
                             grads.Set(i, grad);
                           }
                           out.Set("grads", grads);
                           return out;
                         });
  });
}

}  // namespace

void export_policy(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("createPolicy", CreatePolicy);
  add("initializeWeights", InitializeWeights);
  add("shareVisionTower", ShareVisionTower);
  add("modelTensors", ModelTensors);
  add("updateMemory", UpdateMemory);
  add("policyTensors", PolicyTensors);
  add("readPolicy", ReadTensors<Policy>);
  add("writePolicy", WriteTensors<Policy>);
  add("generate", Generate);
  add("createBatch", CreateBatch);
  add("computeLogProbs", ComputeLogProbs);
  add("computePlainAndMasked", ComputePlainAndMasked);
  add("createLogProbs", CreateLogProbs);
  add("logProbValues", LogProbValues);
  add("entropyValues", EntropyValues);
  add("klPerResponse", KlSums);
  add("tokenAdvantages", TokenAdvantages);
  add("meanPerResponse", MeanPerResponse);
  add("forwardBackward", ForwardBackward);
  add("createOptimizer", CreateOptimizer);
  add("optimizerTensors", OptimizerTensors);
  add("optimizerNumSteps", OptimizerNumSteps);
  add("setOptimizerNumSteps", SetOptimizerNumSteps);
  add("optimizerStep", OptimizerStep);
  add("readOptimizer", ReadTensors<Adamw>);
  add("writeOptimizer", WriteTensors<Adamw>);
  add("ropePositions", RopePositionRows);
  add("verifyCase", VerifyCase);
}

}  // namespace papo
