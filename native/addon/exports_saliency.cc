// Saliency models for JavaScript: their tensors and files, and the ranking of a picture's patches.
#include "addon/exports.h"
#include "addon/saliency_values.h"
#include "model/dinov2/saliency.h"
#include "model/qwen2_5_vl/saliency.h"

namespace papo {
namespace {

std::array<double, 3> to_channels(const Fields& fields, const char* name) {
  std::vector<double> values;
  fields.each(name, [&](const Napi::Value& value) { values.push_back(value.ToNumber().DoubleValue()); });
  fields.require(values.size() == 3, name, "three numbers");
  return {values[0], values[1], values[2]};
}

dinov2::Config parse_dinov2_config(const Fields& fields) {
  dinov2::Config c{};
  c.hidden_size = fields.integer("hiddenSize");
  c.num_heads = fields.integer("numHeads");
  c.intermediate_size = fields.integer("intermediateSize");
  c.patch_size = fields.integer("patchSize");
  c.num_layers = fields.integer("numLayers");
  c.num_registers = fields.integer("numRegisters");
  c.position_side = fields.integer("positionSide");
  c.swiglu = fields.flag("swiglu");
  c.qkv_bias = fields.flag("qkvBias");
  c.norm_eps = fields.number("normEps");
  return c;
}

dinov2::InputSpec parse_input_spec(const Fields& fields) {
  dinov2::InputSpec input;
  if (fields.has("shortestEdge")) input.shortest_edge = fields.integer("shortestEdge");
  if (fields.has("height")) input.height = fields.integer("height");
  if (fields.has("width")) input.width = fields.integer("width");
  input.mean = to_channels(fields, "mean");
  input.std = to_channels(fields, "std");
  input.rescale = fields.number("rescale");
  return input;
}

using MakeModel = std::function<std::shared_ptr<SaliencyModel>(Device device)>;

MakeModel parse_model(const Fields& fields) {
  const auto kind = fields.text("kind");
  fields.require(kind == "dinov2" || kind == "qwen2_5_vl", "kind", "dinov2 or qwen2_5_vl");
  if (kind == "qwen2_5_vl")
    return [config = parse_vision_config(fields.nested("vision"))](Device device) {
      return std::make_shared<qwen2_5_vl::TowerSaliency>(config, device);
    };
  return [config = parse_dinov2_config(fields), input = parse_input_spec(fields.nested("input"))](Device device) {
    return std::make_shared<dinov2::Dinov2Saliency>(config, input, device);
  };
}

// createSaliencyModel(config: SaliencyModelConfig, device: DeviceName): Promise<SaliencyModelHandle>
Napi::Value CreateSaliencyModel(const Napi::CallbackInfo& info) {
  constexpr const char* op = "create_saliency_model";
  return guarded(info.Env(), op, [&] {
    const auto make = parse_model({info[0], op, "config"});
    const auto device = parse_device(info[1].ToString(), op);
    return run_on_device(
        info.Env(), op, [=] { return make(device); },
        [](Napi::Env env, const std::shared_ptr<SaliencyModel>& model) {
          return make_handle(env, model, static_cast<int64_t>(model->store.flat().nbytes()));
        });
  });
}

// saliencyModelTensors(model): {name, shape}[]
Napi::Value SaliencyModelTensors(const Napi::CallbackInfo& info) {
  constexpr const char* op = "saliency_model_tensors";
  return guarded(info.Env(), op, [&] { return shapes_of(info.Env(), get_handle<SaliencyModel>(info[0], op)->store); });
}

// readSaliencyModel(model, file, entries, watch): Promise<void>
Napi::Value ReadSaliencyModel(const Napi::CallbackInfo& info) {
  constexpr const char* op = "read_saliency_model";
  return guarded(info.Env(), op, [&] {
    const auto model = get_handle<SaliencyModel>(info[0], op);
    const std::string file = info[1].ToString();
    const auto ranges = parse_ranges(
        info[2], op, [&](const std::string& name) { return model->store.values(model->store.entry(name)); });
    const auto watch = parse_watch(info[3]);
    return run_on_device(
        info.Env(), op, watch.cancel,
        [=] {
          read_tensors(file, ranges, watch);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

struct Ranked {
  SaliencyRanking ranking;
  at::Tensor saliency_P;
};

// rankPatches(model, image, layers, watch): Promise<SaliencyRanking & {saliency: Float64Array}>
Napi::Value RankPatches(const Napi::CallbackInfo& info) {
  constexpr const char* op = "rank_patches";
  return guarded(info.Env(), op, [&] {
    const auto model = get_handle<SaliencyModel>(info[0], op);
    const auto image = get_handle<Image>(info[1], op);
    std::vector<int64_t> layers;
    check(info[2].IsArray() && info[2].As<Napi::Array>().Length() > 0, op, "layers: expected one or more", "E_VALUE");
    for (uint32_t i = 0; i < info[2].As<Napi::Array>().Length(); ++i)
      layers.push_back(to_int64(info[2].As<Napi::Array>().Get(i), "layers", op));
    const auto watch = parse_watch(info[3]);
    return run_on_device(
        info.Env(), op, watch.cancel,
        [=] {
          const DeviceScope scope(model->device);
          const auto [rows, cols, saliency_P] = model->saliency(*image, layers);
          return Ranked{rank_patches(saliency_P, rows, cols), saliency_P};
        },
        [](Napi::Env env, const Ranked& ranked) {
          const auto& [rows, cols, order] = ranked.ranking;
          auto out = Napi::Object::New(env);
          out.Set("rows", static_cast<double>(rows));
          out.Set("cols", static_cast<double>(cols));
          auto patches = Napi::Uint16Array::New(env, order.size());
          std::copy(order.begin(), order.end(), patches.Data());
          out.Set("order", patches);
          auto saliency = Napi::Float64Array::New(env, order.size());
          std::copy_n(ranked.saliency_P.contiguous().const_data_ptr<double>(), order.size(), saliency.Data());
          out.Set("saliency", saliency);
          return out;
        });
  });
}

}  // namespace

void export_saliency(Napi::Env env, Napi::Object exports) {
  exports.Set("createSaliencyModel", Napi::Function::New(env, CreateSaliencyModel, "createSaliencyModel"));
  exports.Set("saliencyModelTensors", Napi::Function::New(env, SaliencyModelTensors, "saliencyModelTensors"));
  exports.Set("readSaliencyModel", Napi::Function::New(env, ReadSaliencyModel, "readSaliencyModel"));
  exports.Set("rankPatches", Napi::Function::New(env, RankPatches, "rankPatches"));
}

}  // namespace papo
