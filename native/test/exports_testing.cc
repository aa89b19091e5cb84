// Single ops for the tests; lib/native/binding.ts: NativeTesting.
#include "addon/exports.h"
#include "addon/policy_values.h"
#include "addon/saliency_values.h"
#include "core/kernel_call.h"
#include "core/memory.h"
#include "core/vec.h"
#include "rollout/sampler.h"
#include "test/bench.h"
#include "test/decode.h"
#include "test/graph_misuse.h"
#include "test/kernel_costs.h"
#include "test/saliency.h"

namespace papo {
namespace {

Napi::Float64Array doubles_to_js(Napi::Env env, const std::vector<double>& values) {
  auto out = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

// The elements of a typed array of the kind T holds.
template <class T>
std::vector<T> array_of(Napi::Value value, const char* op, const char* what) {
  constexpr auto kind = std::is_same_v<T, double>    ? napi_float64_array
                        : std::is_same_v<T, float>   ? napi_float32_array
                        : std::is_same_v<T, int32_t> ? napi_int32_array
                                                     : napi_uint32_array;
  const bool fits = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == kind;
  check(fits, op, std::string("expected ") + what, "E_VALUE");
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Napi::Value number_to_js(Napi::Env env, double value) { return Napi::Number::New(env, value); }

OpSpec parse_op_spec(Napi::Value value, const char* op) {
  const Fields fields(value, op, "spec");
  auto numbers = std::make_shared<std::unordered_map<std::string, double>>();
  const auto sizes = fields.get("sizes").As<Napi::Object>();
  for (const auto& [name, size] : sizes) (*numbers)[name.ToString()] = Napi::Value(size).ToNumber();
  OpSpec spec;
  spec.dtype = parse_dtype(fields.text("dtype"), op);
  spec.seed = static_cast<uint64_t>(fields.integer("seed"));
  if (fields.has("device")) spec.device = parse_device(fields.text("device"), op);
  spec.number = [numbers](const char* name) {
    const auto found = numbers->find(name);
    check(found != numbers->end(), "op_spec", std::string("sizes.") + name + ": missing", "E_VALUE");
    return found->second;
  };
  if (fields.has("groups")) {
    fields.each("groups", [&](const Napi::Value& group) {
      const auto rows = group.As<Napi::Array>();
      auto& out = spec.groups.emplace_back();
      for (uint32_t i = 0; i < rows.Length(); ++i) out.push_back(rows.Get(i).ToNumber().Int64Value());
    });
  }
  if (fields.has("fullBlocks")) spec.full_blocks = fields.integers("fullBlocks");
  return spec;
}

// compareOp(op, spec: OpSpec): Promise<Record<string, number>>
Napi::Value CompareOp(const Napi::CallbackInfo& info) {
  constexpr const char* op = "compare_op";
  return guarded(info.Env(), op, [&] {
    const std::string name = info[0].ToString();
    const auto spec = parse_op_spec(info[1], op);
    return run_on_device(
        info.Env(), op,
        [=] {
          const DeviceScope scope(spec.device);
          return compare_op(name, spec);
        },
        [](Napi::Env env, const Differences& differences) {
          auto out = Napi::Object::New(env);
          for (const auto& [name, value] : differences) out.Set(name, value);
          return out;
        });
  });
}

// kernelLaunches(): Promise<Record<string, number>>
Napi::Value KernelLaunches(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "kernel_launches", [&] {
    return run_on_device(
        info.Env(), "kernel_launches", [] { return std::exchange(kernel_launches, {}); },
        [](Napi::Env env, const std::map<std::string, int64_t>& launches) {
          auto out = Napi::Object::New(env);
          for (const auto& [name, count] : launches) out.Set(name, static_cast<double>(count));
          return out;
        });
  });
}

// hostWaits(): Promise<number>
Napi::Value HostWaits(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "host_waits", [&] {
    return run_on_device(
        info.Env(), "host_waits", [] { return static_cast<double>(std::exchange(num_host_waits, 0)); }, number_to_js);
  });
}

// pretendMemory(bytes): Promise<void>
Napi::Value PretendMemory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "pretend_memory", [&] {
    const int64_t bytes = info[0].ToNumber();
    return run_on_device(
        info.Env(), "pretend_memory", [=] { return pretended_memory = bytes; },
        [](Napi::Env env, int64_t) { return env.Undefined(); });
  });
}

// replayGraph(misuse): Promise<number>
Napi::Value ReplayGraph(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "replay_graph", [&] {
    const std::string misuse = info[0].ToString();
    return run_on_device(
        info.Env(), "replay_graph",
        [=] {
          const DeviceScope scope(kBuiltWithCuda ? Device::kCuda : Device::kEmulated);
          return replay_graph(misuse);
        },
        number_to_js);
  });
}

// kernelCosts(sizes: Record<string, number>): {launcher, bytes, flops, tensorCores}[]
Napi::Value KernelCosts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "kernel_costs", [&] {
    const Fields sizes(info[0], "kernel_costs", "sizes");
    const auto costs = kernel_costs([&](const char* name) { return sizes.number(name); });
    auto out = Napi::Array::New(info.Env(), costs.size());
    for (uint32_t i = 0; i < costs.size(); ++i) {
      auto object = Napi::Object::New(info.Env());
      object.Set("launcher", costs[i].launcher);
      object.Set("bytes", costs[i].bytes);
      object.Set("flops", costs[i].flops);
      object.Set("tensorCores", costs[i].tensor_cores);
      out.Set(i, object);
    }
    return out;
  });
}

// benchOp(op, spec: OpSpec, seconds): Promise<OpBench>
Napi::Value BenchOp(const Napi::CallbackInfo& info) {
  constexpr const char* op = "bench_op";
  return guarded(info.Env(), op, [&] {
    const std::string name = info[0].ToString();
    const auto spec = parse_op_spec(info[1], op);
    const double seconds = info[2].ToNumber();
    return run_on_device(
        info.Env(), op,
        [=] {
          const DeviceScope scope(spec.device);
          return bench_op(name, spec, seconds);
        },
        [](Napi::Env env, const OpBench& bench) {
          auto differences = Napi::Object::New(env), out = Napi::Object::New(env);
          for (const auto& [name, value] : bench.differences) differences.Set(name, value);
          auto parts = Napi::Array::New(env);
          for (const auto& part : bench.parts) {
            auto item = Napi::Object::New(env);
            item.Set("name", part.name);
            item.Set("seconds", part.seconds);
            item.Set("composedSeconds", part.composed_seconds);
            item.Set("flops", part.flops);
            item.Set("bytes", part.bytes);
            parts.Set(parts.Length(), item);
          }
          out.Set("differences", differences);
          out.Set("parts", parts);
          return out;
        });
  });
}

// compareDecodeAttention(spec: OpSpec): Promise<number>
Napi::Value CompareDecodeAttention(const Napi::CallbackInfo& info) {
  constexpr const char* op = "compare_decode_attention";
  return guarded(info.Env(), op, [&] {
    const auto spec = parse_op_spec(info[0], op);
    return run_on_device(
        info.Env(), op, [=] { return compare_decode_attention(spec); }, number_to_js);
  });
}

// compareDecode(policy, batch, chunkRows): Promise<number>
Napi::Value CompareDecode(const Napi::CallbackInfo& info) {
  constexpr const char* op = "compare_decode";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    auto batch = get_handle<GroupBatch>(info[1], op);
    const int64_t chunk_rows = info[2].IsUndefined() ? std::numeric_limits<int64_t>::max() : info[2].ToNumber();
    return run_on_device(info.Env(), op,
                         on_device_of(policy, [=] { return compare_decode(*policy, *batch, chunk_rows); }),
                         number_to_js);
  });
}

struct HeadResult {
  std::vector<double> log_probs, entropy, grad_hidden, grad_head;
};

HeadResult run_head(const at::Tensor& hidden, const at::Tensor& head_value, const at::Tensor& targets,
                    const HeadOptions& options) {
  at::AutoGradMode with_grad(true);
  const auto x = hidden.clone().set_requires_grad(true);
  const Param head{head_value.clone().set_requires_grad(true), at::zeros_like(head_value)};
  const auto scores = token_log_probs(x, head, targets, options);
  torch::autograd::backward({scores.log_probs_N.sum()}, {});
  return {to_doubles(scores.log_probs_N), options.with_entropy ? to_doubles(scores.entropy_N) : std::vector<double>{},
          to_doubles(x.grad()), to_doubles(head.grad)};
}

// tokenLogProbs(hidden, head, targets, {width, temperature, entropy, tileBytes}): Promise<...>; float64
Napi::Value TokenLogProbs(const Napi::CallbackInfo& info) {
  constexpr const char* op = "token_log_probs";
  return guarded(info.Env(), op, [&] {
    const Fields fields(info[3], op, "options");
    const int64_t width = fields.integer("width");
    const auto matrix = [&](Napi::Value value) {
      return at::tensor(array_of<double>(value, op, "a Float64Array"), at::kDouble).view({-1, width});
    };
    const auto hidden = matrix(info[0]), head = matrix(info[1]);
    const auto targets = at::tensor(array_of<int32_t>(info[2], op, "an Int32Array"), at::kInt).to(at::kLong);
    const HeadOptions options{fields.number("temperature"), fields.flag("entropy"), fields.integer("tileBytes")};
    return run_on_device(
        info.Env(), op, [=] { return run_head(hidden, head, targets, options); },
        [](Napi::Env env, const HeadResult& result) {
          auto out = Napi::Object::New(env);
          out.Set("logProbs", doubles_to_js(env, result.log_probs));
          out.Set("entropy", doubles_to_js(env, result.entropy));
          out.Set("gradHidden", doubles_to_js(env, result.grad_hidden));
          out.Set("gradHead", doubles_to_js(env, result.grad_head));
          return out;
        });
  });
}

std::vector<int32_t> sample_positions(const std::vector<float>& logits, const SamplingSpec& spec, uint64_t seed,
                                      int64_t draws) {
  const auto vocab = static_cast<int64_t>(logits.size());
  const RandomStream stream(seed, Purpose::kRolloutToken, {});
  std::vector<float> work(round_up(vocab, kLanes<float>));
  std::vector<int32_t> tokens;
  for (int64_t position = 0; position < draws; ++position) {
    std::fill(work.begin(), work.end(), -std::numeric_limits<float>::infinity());
    std::copy(logits.begin(), logits.end(), work.begin());
    tokens.push_back(static_cast<int32_t>(sample_token(work.data(), vocab, spec, {}, stream, position).id));
  }
  return tokens;
}

// sampleTokens(logits: Float32Array, {temperature, topP, topK, seed, draws}): Promise<Int32Array>
Napi::Value SampleTokens(const Napi::CallbackInfo& info) {
  constexpr const char* op = "sample_tokens";
  return guarded(info.Env(), op, [&] {
    const auto logits = array_of<float>(info[0], op, "a Float32Array");
    const Fields fields(info[1], op, "options");
    const SamplingSpec spec{fields.number("temperature"), fields.number("topP"), fields.integer("topK")};
    const auto seed = static_cast<uint64_t>(fields.integer("seed"));
    const int64_t draws = fields.integer("draws");
    return run_on_device(
        info.Env(), op, [=] { return sample_positions(logits, spec, seed, draws); },
        [](Napi::Env env, const std::vector<int32_t>& tokens) {
          auto out = Napi::Int32Array::New(env, tokens.size());
          std::copy(tokens.begin(), tokens.end(), out.Data());
          return out;
        });
  });
}

// philox(counter: Uint32Array[4], key: Uint32Array[2]): Uint32Array[4]
Napi::Value Philox(const Napi::CallbackInfo& info) {
  constexpr const char* op = "philox";
  return guarded(info.Env(), op, [&] {
    const auto counter = array_of<uint32_t>(info[0], op, "a Uint32Array"),
               key = array_of<uint32_t>(info[1], op, "a Uint32Array");
    check(counter.size() == 4 && key.size() == 2, op, "expected four and two words");
    const auto join = [](uint32_t high, uint32_t low) { return (static_cast<uint64_t>(high) << 32) | low; };
    const auto words = philox4x32(join(key[1], key[0]), join(counter[3], counter[2]), join(counter[1], counter[0]));
    auto out = Napi::Uint32Array::New(info.Env(), 4);
    std::copy(words.begin(), words.end(), out.Data());
    return out;
  });
}

// The weights of a tensor, or their gradient.
at::Tensor tensor_of(const Policy& policy, const std::string& name, const std::string& kind) {
  const auto& entry = policy.store.entry(name);
  if (kind == "weight") return policy.store.values(entry);
  check(kind == "gradient", "policy_values", "kind: expected weight or gradient", "E_VALUE");
  check(policy.store.is_trained(entry), "policy_values", name + " has no gradient", "E_VALUE");
  return policy.store.grads(entry);
}

// policyValues(policy, name, kind): Promise<Float64Array>
Napi::Value PolicyValues(const Napi::CallbackInfo& info) {
  constexpr const char* op = "policy_values";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    const std::string name = info[1].ToString(), kind = info[2].ToString();
    return run_on_device(
        info.Env(), op, [=] { return to_doubles(tensor_of(*policy, name, kind)); }, doubles_to_js);
  });
}

// setPolicyValues(policy, name, kind, values: Float64Array): Promise<void>
Napi::Value SetPolicyValues(const Napi::CallbackInfo& info) {
  constexpr const char* op = "set_policy_values";
  return guarded(info.Env(), op, [&] {
    auto policy = get_handle<Policy>(info[0], op);
    const std::string name = info[1].ToString(), kind = info[2].ToString();
    const auto values = array_of<double>(info[3], op, "a Float64Array");
    return run_on_device(
        info.Env(), op,
        [=] {
          at::NoGradGuard no_grad;
          auto target = tensor_of(*policy, name, kind);
          if (kind == "weight") policy->store.weights_move();
          target.copy_(at::tensor(values, at::kDouble).view(target.sizes()));
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

// keptEmbedsBytes(limit?: number): Promise<number>
Napi::Value KeptEmbedsBytes(const Napi::CallbackInfo& info) {
  constexpr const char* op = "kept_embeds_bytes";
  return guarded(info.Env(), op, [&] {
    const int64_t limit = info[0].IsUndefined() ? embeds_budget.limit : to_int64(info[0], "limit", op);
    return run_on_device(
        info.Env(), op,
        [limit] {
          embeds_budget.limit = limit;
          return embeds_budget.kept.load();
        },
        [](Napi::Env env, int64_t bytes) { return Napi::Number::New(env, static_cast<double>(bytes)); });
  });
}

// dinov2Layers(model, image): Promise<Record<string, Float64Array>>
Napi::Value Dinov2Layers(const Napi::CallbackInfo& info) {
  constexpr const char* op = "dinov2_layers";
  return guarded(info.Env(), op, [&] {
    const auto model = get_handle<SaliencyModel>(info[0], op);
    const auto image = get_handle<Image>(info[1], op);
    return run_on_device(
        info.Env(), op, [=] { return dinov2_layers(*model, *image); },
        [](Napi::Env env, const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
          auto out = Napi::Object::New(env);
          for (const auto& [name, tensor] : tensors) out.Set(name, doubles_to_js(env, to_doubles(tensor)));
          return out;
        });
  });
}

}  // namespace

void export_testing(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("compareOp", CompareOp);
  add("kernelLaunches", KernelLaunches);
  add("hostWaits", HostWaits);
  add("pretendMemory", PretendMemory);
  add("replayGraph", ReplayGraph);
  add("kernelCosts", KernelCosts);
  add("benchOp", BenchOp);
  add("compareDecodeAttention", CompareDecodeAttention);
  add("compareDecode", CompareDecode);
  add("tokenLogProbs", TokenLogProbs);
  add("sampleTokens", SampleTokens);
  add("philox", Philox);
  add("policyValues", PolicyValues);
  add("setPolicyValues", SetPolicyValues);
  add("keptEmbedsBytes", KeptEmbedsBytes);
  add("dinov2Layers", Dinov2Layers);
}

}  // namespace papo
