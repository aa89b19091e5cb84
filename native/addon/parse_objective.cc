#include "addon/parse_objective.h"

#include "core/error.h"

namespace papo {
namespace {

constexpr const char* kOp = "loss_spec";

// The fields of an object, by name; errors say `<where>.<name>`.
class Fields {
 public:
  Fields(Napi::Value value, std::string where) : where_(std::move(where)) {
    check(value.IsObject(), kOp, where_ + ": expected an object", "E_VALUE");
    object_ = value.As<Napi::Object>();
  }
  bool has(const char* name) const { return !object_.Get(name).IsUndefined(); }
  double number(const char* name, double low, double high) const {
    const Napi::Value value = object_.Get(name);
    check(value.IsNumber(), kOp, where_ + "." + name + ": expected a number", "E_VALUE");
    const double number = value.As<Napi::Number>().DoubleValue();
    check(number >= low && number <= high, kOp,
          where_ + "." + name + ": expected a number in [" + std::to_string(low) + ", " + std::to_string(high) +
              "], got " + std::to_string(number),
          "E_VALUE");
    return number;
  }
  double coefficient(const char* name) const { return number(name, -kLargest, kLargest); }
  std::optional<double> optional_number(const char* name, double low, double high) const {
    return has(name) ? std::optional(number(name, low, high)) : std::nullopt;
  }
  std::string text(const char* name) const {
    const Napi::Value value = object_.Get(name);
    check(value.IsString(), kOp, where_ + "." + name + ": expected a string", "E_VALUE");
    return value.As<Napi::String>();
  }
  // The index of the text among the choices.
  size_t choice(const char* name, const std::array<const char*, 2>& choices) const {
    const std::string chosen = text(name);
    for (size_t i = 0; i < choices.size(); ++i) {
      if (chosen == choices[i]) return i;
    }
    throw Error("E_VALUE", kOp,
                where_ + "." + name + ": expected " + choices[0] + " or " + choices[1] + ", got " + chosen);
  }
  std::vector<double> doubles(const char* name) const {
    const Napi::Value value = object_.Get(name);
    const bool fits = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
    check(fits, kOp, where_ + "." + name + ": expected a Float64Array", "E_VALUE");
    const auto array = value.As<Napi::Float64Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
  }
  std::vector<double> optional_doubles(const char* name) const {
    return has(name) ? doubles(name) : std::vector<double>{};
  }
  Fields nested(const char* name) const { return {object_.Get(name), where_ + "." + name}; }

 private:
  static constexpr double kLargest = std::numeric_limits<double>::max();
  std::string where_;
  Napi::Object object_;
};

ClipSpec parse_clip(const Fields& fields) {
  ClipSpec clip;
  clip.low = fields.number("clipLow", 0, 1 - 1e-9);
  clip.high = fields.number("clipHigh", 0, 1e6);
  clip.dual = fields.optional_number("clipDual", 1, 1e6);
  return clip;
}

PerceptionSpec parse_perception(const Fields& fields) {
  PerceptionSpec spec;
  spec.coef = fields.coefficient("coef");
  spec.estimator = parse_kl_estimator(fields.text("estimator"), kOp);
  spec.token_top_p = fields.optional_number("tokenTopP", 1e-9, 1 - 1e-9);
  spec.clip = fields.optional_number("clip", 0, 1e6);
  return spec;
}

}  // namespace

ObjectiveSpec parse_objective_spec(Napi::Value value) {
  const Fields fields(value, "loss");
  ObjectiveSpec spec;
  spec.policy_loss = fields.choice("policyLoss", {"ppo", "gspo"}) == 0 ? PolicyLoss::kPpo : PolicyLoss::kGspo;
  spec.clip = parse_clip(fields);
  if (fields.has("klRef")) {
    const Fields ref = fields.nested("klRef");
    spec.kl_ref = KlRefSpec{ref.coefficient("coef"), parse_kl_estimator(ref.text("estimator"), kOp)};
  }
  if (fields.has("klPrcp")) spec.kl_prcp = parse_perception(fields.nested("klPrcp"));
  spec.aug_entropy_coef = fields.coefficient("augEntropyCoef");
  spec.ori_entropy_coef = fields.coefficient("oriEntropyCoef");
  spec.full_entropy = fields.choice("entropy", {"sampled", "full"}) == 1;
  spec.sft_coef = fields.coefficient("sftCoef");
  return spec;
}

ResponseWeights parse_response_weights(Napi::Value value) {
  const Fields fields(value, "weights");
  ResponseWeights weights;
  weights.advantages = fields.optional_doubles("advantages");
  weights.loss_weights = fields.doubles("lossWeights");
  weights.token_weights = fields.doubles("tokenWeights");
  weights.pg_weights = fields.optional_doubles("pgWeights");
  weights.prcp_weights = fields.optional_doubles("prcpWeights");
  weights.sft_weights = fields.optional_doubles("sftWeights");
  return weights;
}

}  // namespace papo
