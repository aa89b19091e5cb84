#include "addon/image_values.h"

namespace papo {
namespace {

constexpr const char* kSpecOp = "image_spec";
constexpr const char* kMaskOp = "patch_mask";

double to_double(Napi::Value value, const char* name, const char* op) {
  check(value.IsNumber() && std::isfinite(value.As<Napi::Number>().DoubleValue()), op,
        std::string(name) + ": expected a finite number", "E_VALUE");
  return value.As<Napi::Number>().DoubleValue();
}

std::array<double, 3> to_channels(Napi::Value value, const char* name) {
  check(value.IsArray() && value.As<Napi::Array>().Length() == 3, kSpecOp,
        std::string(name) + ": expected three numbers", "E_VALUE");
  std::array<double, 3> out{};
  for (uint32_t channel = 0; channel < 3; ++channel) {
    out[channel] = to_double(value.As<Napi::Array>().Get(channel), name, kSpecOp);
  }
  return out;
}

// The value of the choice that `value` names.
template <class Choice>
Choice to_choice(Napi::Value value, const char* name, const char* op,
                 std::initializer_list<std::pair<const char*, Choice>> choices) {
  const std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  std::string names;
  for (const auto& [choice_name, choice] : choices) {
    if (text == choice_name) return choice;
    names += (names.empty() ? "" : ", ") + std::string(choice_name);
  }
  throw Error("E_VALUE", op, std::string(name) + ": expected one of " + names);
}

}  // namespace

int64_t to_int64(Napi::Value value, const char* name, const char* op) {
  const double number = to_double(value, name, op);
  check(number == std::floor(number) && std::abs(number) <= 0x1p53, op, std::string(name) + ": expected an integer",
        "E_VALUE");
  return static_cast<int64_t>(number);
}

Resample parse_resample(Napi::Value value) {
  return to_choice<Resample>(value, "resample", kSpecOp,
                             {{"torchvision", Resample::kTorchvision}, {"pillow", Resample::kPillow}});
}

ImageSpec parse_image_spec(Napi::Value value) {
  check(value.IsObject(), kSpecOp, "expected an object", "E_VALUE");
  const auto object = value.As<Napi::Object>();
  const auto integer = [&](const char* name) { return to_int64(object.Get(name), name, kSpecOp); };
  ImageSpec spec;
  spec.patch_size = integer("patchSize");
  spec.temporal_patch_size = integer("temporalPatchSize");
  spec.merge_size = integer("mergeSize");
  spec.mean = to_channels(object.Get("mean"), "mean");
  spec.std = to_channels(object.Get("std"), "std");
  spec.rescale = to_double(object.Get("rescale"), "rescale", kSpecOp);
  spec.min_pixels = integer("minPixels");
  spec.max_pixels = integer("maxPixels");
  spec.trainer_min_pixels = integer("trainerMinPixels");
  spec.trainer_max_pixels = integer("trainerMaxPixels");
  spec.resample = parse_resample(object.Get("resample"));
  return spec;
}

std::optional<SaliencyRanking> parse_saliency_ranking(Napi::Value value) {
  constexpr const char* op = "saliency";
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  check(value.IsObject(), op, "expected an object", "E_VALUE");
  const auto object = value.As<Napi::Object>();
  const Napi::Value order = object.Get("order");
  check(order.IsTypedArray() && order.As<Napi::TypedArray>().TypedArrayType() == napi_uint16_array, op,
        "order: expected a Uint16Array", "E_DTYPE");
  const auto patches = order.As<Napi::Uint16Array>();
  return SaliencyRanking{to_int64(object.Get("rows"), "rows", op),
                         to_int64(object.Get("cols"), "cols", op),
                         {patches.Data(), patches.Data() + patches.ElementLength()}};
}

std::optional<PatchMask> parse_patch_mask(Napi::Value value) {
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  check(value.IsObject(), kMaskOp, "expected an object", "E_VALUE");
  const auto object = value.As<Napi::Object>();
  const auto index = [&](const char* name) {
    const int64_t number = to_int64(object.Get(name), name, kMaskOp);
    check(number >= 0, kMaskOp, std::string(name) + ": expected 0 or more", "E_VALUE");
    return static_cast<uint64_t>(number);
  };
  PatchMask mask;
  const auto strategy = object.Get("strategy");
  if (!strategy.IsUndefined())
    mask.spec.strategy = to_choice<MaskStrategy>(
        strategy, "strategy", kMaskOp, {{"random", MaskStrategy::kRandom}, {"saliency", MaskStrategy::kSaliency}});
  mask.spec.mode =
      to_choice<MaskMode>(object.Get("mode"), "mode", kMaskOp, {{"raw", MaskMode::kRaw}, {"patch", MaskMode::kPatch}});
  mask.spec.patch_px = to_int64(object.Get("patchPx"), "patchPx", kMaskOp);
  mask.spec.ratio = to_double(object.Get("ratio"), "ratio", kMaskOp);
  check(object.Get("exact").IsBoolean(), kMaskOp, "exact: expected a boolean", "E_VALUE");
  mask.spec.exact = object.Get("exact").As<Napi::Boolean>();
  mask.spec.fill =
      to_choice<MaskFill>(object.Get("fill"), "fill", kMaskOp,
                          {{"black", MaskFill::kBlack}, {"mean", MaskFill::kMean}, {"noise", MaskFill::kNoise}});
  check(object.Get("exampleId").IsString(), kMaskOp, "exampleId: expected a string", "E_VALUE");
  mask.key = {index("seed"), index("epoch"), hash_id(object.Get("exampleId").As<Napi::String>().Utf8Value()),
              index("imageIndex"), index("responseIndex")};
  return mask;
}

}  // namespace papo
