#include "addon/policy_values.h"

namespace papo {

using qwen2_5_vl::Config;
using qwen2_5_vl::VisionConfig;

VisionConfig parse_vision_config(const Fields& vision) {
  VisionConfig v{};
  v.depth = vision.integer("depth");
  v.hidden_size = vision.integer("hiddenSize");
  v.num_heads = vision.integer("numHeads");
  v.intermediate_size = vision.integer("intermediateSize");
  v.out_hidden_size = vision.integer("outHiddenSize");
  v.patch_size = vision.integer("patchSize");
  v.temporal_patch_size = vision.integer("temporalPatchSize");
  v.spatial_merge_size = vision.integer("spatialMergeSize");
  v.window_size = vision.integer("windowSize");
  v.in_channels = vision.integer("inChannels");
  v.tokens_per_second = vision.number("tokensPerSecond");
  v.fullatt_block_indexes = vision.integers("fullattBlockIndexes");
  return v;
}

Config parse_model_sizes(Napi::Value value, const char* op) {
  const Fields root(value, op, "config");
  const auto text = root.nested("text");
  Config config{};
  auto& t = config.text;
  t.hidden_size = text.integer("hiddenSize");
  t.intermediate_size = text.integer("intermediateSize");
  t.num_layers = text.integer("numLayers");
  t.num_heads = text.integer("numHeads");
  t.num_kv_heads = text.integer("numKvHeads");
  t.head_size = text.integer("headSize");
  t.vocab_size = text.integer("vocabSize");
  t.rms_norm_eps = text.number("rmsNormEps");
  t.rope_theta = text.number("ropeTheta");
  const auto sections = text.integers("mropeSection");
  text.require(sections.size() == 3, "mropeSection", "three integers");
  std::copy_n(sections.begin(), 3, t.mrope_section.begin());
  t.tie_word_embeddings = text.flag("tieWordEmbeddings");
  config.vision = parse_vision_config(root.nested("vision"));
  return config;
}

Config parse_model_config(Napi::Value value, const char* op) {
  const Fields root(value, op, "config");
  auto config = parse_model_sizes(value, op);
  config.image_token_id = root.integer("imageTokenId");
  config.video_token_id = root.integer("videoTokenId");
  config.vision_start_token_id = root.integer("visionStartTokenId");
  config.vision_end_token_id = root.integer("visionEndTokenId");
  return config;
}

at::ScalarType parse_dtype(const std::string& name, const char* op) {
  if (name == "float32") return at::kFloat;
  if (name == "float64") return at::kDouble;
  if (name == "bfloat16") return at::kBFloat16;
  throw Error("E_DTYPE", op, "expected float32, float64 or bfloat16, got " + name);
}

at::ScalarType parse_file_dtype(const std::string& name, const char* op) {
  if (name == "F32") return at::kFloat;
  if (name == "F64") return at::kDouble;
  if (name == "BF16") return at::kBFloat16;
  if (name == "F16") return at::kHalf;
  if (name == "I64") return at::kLong;
  throw Error("E_DTYPE", op, "cannot take a file's " + name);
}

PromptInput parse_prompt(const Fields& fields) {
  PromptInput prompt;
  prompt.example_id = fields.text("exampleId");
  prompt.epoch = fields.has("epoch") ? static_cast<uint64_t>(fields.integer("epoch")) : 0;
  prompt.ids = fields.ids("ids");
  fields.each("images",
              [&](const Napi::Value& image) { prompt.images.push_back(get_handle<Image>(image, "prompt.images")); });
  return prompt;
}

GroupBatch parse_batch(Napi::Value value, const char* op) {
  GroupBatch batch;
  check(value.IsArray(), op, "groups: expected an array", "E_VALUE");
  const auto groups = value.As<Napi::Array>();
  for (uint32_t i = 0; i < groups.Length(); ++i) {
    const Fields fields(groups.Get(i), op, "groups[" + std::to_string(i) + "]");
    GroupInput group{parse_prompt(fields.nested("prompt")), {}};
    fields.each("responses",
                [&](const Napi::Value& ids) { group.responses.push_back(fields.to_ids(ids, "responses")); });
    batch.groups.push_back(std::move(group));
  }
  return batch;
}

std::vector<std::vector<float>> parse_float_rows(Napi::Value value, const char* op, const std::string& where) {
  check(value.IsArray(), op, where + ": expected an array", "E_VALUE");
  const auto array = value.As<Napi::Array>();
  std::vector<std::vector<float>> rows;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto row = array.Get(i);
    const bool fits = row.IsTypedArray() && row.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array;
    check(fits, op, where + "[" + std::to_string(i) + "]: expected a Float32Array", "E_VALUE");
    const auto values = row.As<Napi::Float32Array>();
    rows.emplace_back(values.Data(), values.Data() + values.ElementLength());
  }
  return rows;
}

GenerateSpec parse_generate_spec(Napi::Value value, const char* op) {
  const Fields fields(value, op, "spec");
  GenerateSpec spec;
  spec.sampling = {fields.number("temperature"), fields.number("topP"), fields.integer("topK")};
  const double temperature = spec.sampling.temperature;
  fields.require(temperature >= 0 && temperature <= 1e4, "temperature", "a number in [0, 10000]");
  fields.require(spec.sampling.top_p > 0 && spec.sampling.top_p <= 1, "topP", "a number in (0, 1]");
  spec.n = fields.integer("n");
  spec.max_tokens = fields.integer("maxTokens");
  spec.stop_ids = fields.integers("stopIds");
  spec.forbidden_ids = fields.integers("forbiddenIds");
  spec.seed = static_cast<uint64_t>(fields.integer("seed"));
  spec.purpose = static_cast<uint64_t>(fields.integer("purpose"));
  spec.step = static_cast<uint64_t>(fields.integer("step"));
  spec.max_concurrent = fields.integer("maxConcurrent");
  if (fields.has("prefillTokens")) spec.prefill_tokens = fields.integer("prefillTokens");
  return spec;
}

std::optional<MaskedView> parse_masked_view(Napi::Value value) {
  if (value.IsUndefined() || value.IsNull()) return std::nullopt;
  const Fields fields(value, "masked_view", "view");
  auto object = value.As<Napi::Object>();
  // The coordinates of a single mask: the batch has its own for every picture.
  auto single = Napi::Object::New(value.Env());
  for (const char* name : {"mode", "patchPx", "ratio", "exact", "fill", "seed", "strategy"})
    single.Set(name, object.Get(name));
  single.Set("epoch", 0);
  single.Set("exampleId", "");
  single.Set("imageIndex", 0);
  single.Set("responseIndex", 0);
  const auto mask = parse_patch_mask(single);
  return MaskedView{mask->spec, mask->key.seed, fields.flag("perResponse"), 0};
}

AdamwSpec parse_adamw_spec(Napi::Value value, const char* op) {
  const Fields fields(value, op, "spec");
  AdamwSpec spec;
  const auto strategy = fields.text("strategy");
  fields.require(strategy == "adamw" || strategy == "adamw_bf16", "strategy", "adamw or adamw_bf16");
  spec.strategy = strategy == "adamw" ? AdamwStrategy::kAdamw : AdamwStrategy::kAdamwBf16;
  spec.beta1 = fields.number("beta1");
  spec.beta2 = fields.number("beta2");
  spec.eps = fields.number("eps");
  spec.weight_decay = fields.number("weightDecay");
  return spec;
}

std::vector<TensorRange> parse_ranges(Napi::Value entries, const char* op,
                                      const std::function<at::Tensor(const std::string&)>& tensor_of) {
  std::vector<TensorRange> ranges;
  check(entries.IsArray(), op, "entries: expected an array", "E_VALUE");
  const auto array = entries.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Fields fields(array.Get(i), op, "entries[" + std::to_string(i) + "]");
    const auto name = fields.text("name");
    const auto tensor = tensor_of(name);
    const auto shape = fields.integers("shape");
    check(tensor.defined() && tensor.sizes() == at::IntArrayRef(shape), op, name + ": the entry has another shape");
    ranges.push_back({tensor, parse_file_dtype(fields.text("dtype"), op), fields.integer("byteOffset")});
  }
  return ranges;
}

Napi::Object shape_object(Napi::Env env, const std::string& name, at::IntArrayRef shape) {
  auto out = Napi::Object::New(env);
  out.Set("name", name);
  auto sizes = Napi::Array::New(env, shape.size());
  for (uint32_t i = 0; i < shape.size(); ++i) sizes.Set(i, static_cast<double>(shape[i]));
  out.Set("shape", sizes);
  return out;
}

Napi::Value shapes_of(Napi::Env env, const ParameterStore& store) {
  auto out = Napi::Array::New(env);
  for (const auto& entry : store.entries()) out.Set(out.Length(), shape_object(env, entry.name, entry.shape));
  return out;
}

}  // namespace papo
