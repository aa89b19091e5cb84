// JavaScript values -> the structs of policies, batches and files; types in lib/native/binding.ts.
#pragma once

#include "addon/fields.h"
#include "addon/handle.h"
#include "addon/image_values.h"
#include "io/tensor_file.h"
#include "model/qwen2_5_vl/policy.h"
#include "optim/adamw.h"
#include "rl/update.h"
#include "rollout/engine.h"

namespace papo {

PAPO_HANDLE(Policy, "policy", 0x7061706f00000003, 0x706f6c6963790003);
PAPO_HANDLE(GroupBatch, "batch", 0x7061706f00000004, 0x6261746368000004);
PAPO_HANDLE(LogProbs, "log probs", 0x7061706f00000005, 0x6c6f6770726f0005);
PAPO_HANDLE(Adamw, "optimizer", 0x7061706f00000006, 0x6164616d77000006);

// work() with the policy's device as the current one; every call on a policy goes through it.
template <class Work>
auto on_device_of(const std::shared_ptr<Policy>& policy, Work work) {
  return [policy, work = std::move(work)]() mutable {
    const DeviceScope scope(policy->options.device);
    return work();
  };
}

qwen2_5_vl::VisionConfig parse_vision_config(const Fields& vision);
qwen2_5_vl::Config parse_model_sizes(Napi::Value value, const char* op);  // without token ids
qwen2_5_vl::Config parse_model_config(Napi::Value value, const char* op);
at::ScalarType parse_dtype(const std::string& name, const char* op);       // float32, float64, bfloat16
at::ScalarType parse_file_dtype(const std::string& name, const char* op);  // F32, F64, BF16, F16, I64
PromptInput parse_prompt(const Fields& fields);
GroupBatch parse_batch(Napi::Value value, const char* op);
// An array of Float32Arrays.
std::vector<std::vector<float>> parse_float_rows(Napi::Value value, const char* op, const std::string& where);
GenerateSpec parse_generate_spec(Napi::Value value, const char* op);
// {ratio, patchPx, mode, exact, fill, seed, perResponse}; undefined: no view.
std::optional<MaskedView> parse_masked_view(Napi::Value value);
AdamwSpec parse_adamw_spec(Napi::Value value, const char* op);
// A file's entries {name, byteOffset, dtype, shape}, resolved to tensors by `tensor_of`.
std::vector<TensorRange> parse_ranges(Napi::Value entries, const char* op,
                                      const std::function<at::Tensor(const std::string&)>& tensor_of);
// {name, shape}
Napi::Object shape_object(Napi::Env env, const std::string& name, at::IntArrayRef shape);
Napi::Value shapes_of(Napi::Env env, const ParameterStore& store);

}  // namespace papo
