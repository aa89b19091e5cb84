// The objective and its parts on log-probs that the tests hand over; absent from builds without PAPO_TESTING.
#include "addon/exports.h"

#ifdef PAPO_TESTING

#include "addon/device_thread.h"
#include "addon/parse_objective.h"
#include "core/device.h"
#include "rl/reinforce_plus_plus.h"

namespace papo {
namespace {

std::vector<double> doubles(Napi::Value value, const char* op) {
  const bool fits = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
  check(fits, op, "expected a Float64Array", "E_VALUE");
  const auto array = value.As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<int64_t> lengths(Napi::Value value, const char* op) {
  const bool fits = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array;
  check(fits, op, "response lengths: expected an Int32Array", "E_VALUE");
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

at::Tensor tensor_R(const std::vector<double>& values, at::ScalarType dtype) {
  return at::tensor(values, at::TensorOptions(at::kDouble)).to(dtype);
}

Napi::Float64Array to_array(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

at::ScalarType dtype_of(Napi::Value value, const char* op) {
  const std::string name = value.ToString();
  check(name == "float32" || name == "float64", op, "dtype: expected float32 or float64, got " + name, "E_DTYPE");
  return name == "float32" ? at::kFloat : at::kDouble;
}

struct GradientReport {
  ObjectiveResult result;
  std::vector<std::pair<std::string, std::vector<double>>> gradients;
  std::vector<double> perception_kl;  // mean of each response
};

// The batch's tensors under the names of ObjectiveTokens in lib/native/binding.ts.
std::vector<std::pair<const char*, at::Tensor ObjectiveBatch::*>> token_fields() {
  return {{"logProbs", &ObjectiveBatch::log_probs_R},
          {"oldLogProbs", &ObjectiveBatch::old_log_probs_R},
          {"refLogProbs", &ObjectiveBatch::ref_log_probs_R},
          {"augLogProbs", &ObjectiveBatch::aug_log_probs_R},
          {"entropy", &ObjectiveBatch::entropy_R},
          {"augEntropy", &ObjectiveBatch::aug_entropy_R},
          {"advantages", &ObjectiveBatch::advantages_R},
          {"refKl", &ObjectiveBatch::ref_kl_R},
          {"augKl", &ObjectiveBatch::aug_kl_R}};
}

// Every given tensor asks for a gradient, so that a test sees where one flows and where none does.
GradientReport objective_with_gradients(const ObjectiveSpec& spec, ObjectiveBatch batch) {
  for (const auto& [name, field] : token_fields()) {
    if ((batch.*field).defined()) batch.*field = to_device((batch.*field).detach()).requires_grad_(true);
  }
  GradientReport report{objective(spec, batch), {}, {}};
  if (spec.kl_prcp) report.perception_kl = to_doubles(report.result.perception_kl_sums);
  for (size_t i = 0; i < report.perception_kl.size(); ++i)
    report.perception_kl[i] /= static_cast<double>(std::max<int64_t>(1, batch.response_lengths[i]));
  report.result.loss.backward();
  for (const auto& [name, field] : token_fields()) {
    const at::Tensor& values_R = batch.*field;
    const at::Tensor gradient = values_R.defined() ? values_R.grad() : at::Tensor();
    if (gradient.defined()) report.gradients.emplace_back(name, to_doubles(gradient));
  }
  return report;
}

Napi::Value report_to_js(Napi::Env env, const GradientReport& report) {
  auto out = Napi::Object::New(env);
  out.Set("loss", report.result.loss.item<double>());
  out.Set("numTokens", static_cast<double>(report.result.num_tokens));
  auto metrics = Napi::Object::New(env);
  const auto values = to_doubles(report.result.metrics);
  for (size_t i = 0; i < values.size(); ++i) metrics.Set(report.result.metric_names[i], values[i]);
  out.Set("metrics", metrics);
  auto gradients = Napi::Object::New(env);
  for (const auto& [name, values] : report.gradients) gradients.Set(name, to_array(env, values));
  out.Set("gradients", gradients);
  out.Set("perceptionKl", to_array(env, report.perception_kl));
  return out;
}

// objective(tokens: ObjectiveTokens, weights: ResponseWeights, spec: LossSpec, dtype, device?):
// Promise<ObjectiveReport>
Napi::Value TestObjective(const Napi::CallbackInfo& info) {
  constexpr const char* kOp = "objective";
  return guarded(info.Env(), kOp, [&] {
    const auto tokens = info[0].As<Napi::Object>();
    const auto dtype = dtype_of(info[3], kOp);
    ObjectiveBatch batch;
    batch.response_lengths = lengths(tokens.Get("responseLengths"), kOp);
    for (const auto& [name, field] : token_fields()) {
      if (!tokens.Get(name).IsUndefined()) batch.*field = tensor_R(doubles(tokens.Get(name), kOp), dtype);
    }
    batch.weights = parse_response_weights(info[1]);
    const ObjectiveSpec spec = parse_objective_spec(info[2]);
    const auto device = info[4].IsUndefined() ? Device::kCpu : parse_device(info[4].ToString(), kOp);
    return run_on_device(
        info.Env(), kOp,
        [=] {
          const DeviceScope scope(device);
          return objective_with_gradients(spec, batch);
        },
        [](Napi::Env env, const GradientReport& report) { return report_to_js(env, report); });
  });
}

// klEstimate(logProbs, other: Float64Array, estimator, responseLengths): Promise<{values, sums, means}>
Napi::Value TestKlEstimate(const Napi::CallbackInfo& info) {
  constexpr const char* kOp = "kl_estimate";
  return guarded(info.Env(), kOp, [&] {
    const at::Tensor x_R = tensor_R(doubles(info[0], kOp), at::kFloat);
    const at::Tensor y_R = tensor_R(doubles(info[1], kOp), at::kFloat);
    const KlEstimator estimator = parse_kl_estimator(info[2].ToString(), kOp);
    const auto response_lengths = lengths(info[3], kOp);
    return run_on_device(
        info.Env(), kOp,
        [=] {
          const at::Tensor kl_R = kl_estimate(x_R, y_R, estimator);
          return std::pair(to_doubles(kl_R), kl_per_response(kl_R, response_lengths));
        },
        [](Napi::Env env, const std::pair<std::vector<double>, KlPerResponse>& result) {
          auto out = Napi::Object::New(env);
          out.Set("values", to_array(env, result.first));
          out.Set("sums", to_array(env, result.second.sums));
          out.Set("means", to_array(env, result.second.means));
          return out;
        });
  });
}

// reinforcePlusPlus(rewards: Float64Array, responseLengths, kl: Float64Array, klCoef): Promise<Float64Array>
Napi::Value TestReinforcePlusPlus(const Napi::CallbackInfo& info) {
  constexpr const char* kOp = "reinforce_plus_plus";
  return guarded(info.Env(), kOp, [&] {
    const ReinforcePlusPlusBatch batch{doubles(info[0], kOp), lengths(info[1], kOp),
                                       tensor_R(doubles(info[2], kOp), at::kFloat), info[3].ToNumber().DoubleValue()};
    return run_on_device(
        info.Env(), kOp, [=] { return to_doubles(reinforce_plus_plus_advantages(batch)); },
        [](Napi::Env env, const std::vector<double>& values) { return to_array(env, values); });
  });
}

}  // namespace

void export_objective(Napi::Env env, Napi::Object exports) {
  exports.Set("objective", Napi::Function::New(env, TestObjective, "objective"));
  exports.Set("klEstimate", Napi::Function::New(env, TestKlEstimate, "klEstimate"));
  exports.Set("reinforcePlusPlus", Napi::Function::New(env, TestReinforcePlusPlus, "reinforcePlusPlus"));
}

}  // namespace papo

#endif
