#include "addon/exports.h"
#include "addon/saliency_values.h"
#include "core/cuda_info.h"
#include "core/flops.h"
#include "core/memory.h"
#include "core/torch_compat.h"
#include "ops/machine_rates.h"
#include "ops/product.h"

namespace papo {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = "clang++ " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

// The widest vector unit that the compiler was allowed to use.
constexpr const char* kVectorUnit =
#if defined(__AVX512BF16__)
    "AVX512 with bfloat16";
#elif defined(__AVX512F__)
    "AVX512";
#elif defined(__AVX2__)
    "AVX2";
#elif defined(__ARM_NEON)
    "NEON";
#else
    "no vector unit";
#endif

// runtimeInfo(): {torchVersion, compiler, vectorUnit, cpuCapability, floatProduct, bfloat16Product, numThreads,
// cuda?, testing}
Napi::Value RuntimeInfo(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, "runtime_info", [&] {
    auto out = Napi::Object::New(env);
    out.Set("torchVersion", TORCH_VERSION);
    out.Set("compiler", kCompiler);
    out.Set("vectorUnit", kVectorUnit);
    out.Set("cpuCapability", at::get_cpu_capability());
    out.Set("floatProduct", name_of(float_product_library()));
    out.Set("bfloat16Product", name_of(bfloat16_product_library()));
    out.Set("numThreads", at::get_num_threads());
    if (const auto cuda = cuda_info()) {
      auto object = Napi::Object::New(env);
      object.Set("built", cuda->built);
      object.Set("driver", cuda->driver);
      object.Set("numDevices", cuda->num_devices);
      object.Set("device", cuda->device);
      object.Set("problem", cuda->problem);
      out.Set("cuda", object);
    }
#ifdef PAPO_TESTING
    out.Set("testing", true);
#else
    out.Set("testing", false);
#endif
    return out;
  });
}

// setNumThreads(numThreads: number): Promise<void>
Napi::Value SetNumThreads(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  return guarded(env, "set_num_threads", [&] {
    const int threads = info[0].ToNumber().Int32Value();
    check(threads >= 1, "set_num_threads", "expected 1 or more threads", "E_VALUE");
    return run_on_device(
        env, "set_num_threads",
        [threads] {
          at::set_num_threads(threads);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

// takeFlops(): Promise<{vision, body, attention, head}>
Napi::Value TakeFlops(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "take_flops", [&] {
    return run_on_device(info.Env(), "take_flops", take_flops, [](Napi::Env env, const FlopCounts& counts) {
      auto out = Napi::Object::New(env);
      const char* names[kNumFlopPhases] = {"vision", "body", "attention", "head"};
      for (size_t i = 0; i < kNumFlopPhases; ++i) out.Set(names[i], counts[i]);
      return out;
    });
  });
}

// takeMemoryPeak(): Promise<{main, gpu}>
Napi::Value TakeMemoryPeak(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "take_memory_peak", [&] {
    return run_on_device(info.Env(), "take_memory_peak", take_memory_peak, [](Napi::Env env, const MemoryPeak& peak) {
      auto out = Napi::Object::New(env);
      out.Set("main", static_cast<double>(peak.main));
      out.Set("gpu", static_cast<double>(peak.gpu));
      return out;
    });
  });
}

// setMemoryLimit(bytes: number | null): void
Napi::Value SetMemoryLimit(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "set_memory_limit", [&] {
    if (info[0].IsNull()) {
      set_memory_limit(std::nullopt);
    } else {
      check(info[0].IsNumber() && info[0].As<Napi::Number>().DoubleValue() >= 1, "set_memory_limit",
            "expected 1 or more bytes, or null", "E_VALUE");
      set_memory_limit(info[0].As<Napi::Number>().Int64Value());
    }
    return info.Env().Undefined();
  });
}

Napi::Value rate_to_js(Napi::Env env, double rate) { return Napi::Number::New(env, rate); }

Napi::Value measured_rate(const Napi::CallbackInfo& info, const char* op, double (*rate)()) {
  return guarded(info.Env(), op, [&] {
    const Device device = info[0].IsUndefined() ? Device::kCpu : parse_device(info[0].ToString(), op);
    return run_on_device(
        info.Env(), op,
        [=] {
          const DeviceScope scope(device);
          return rate();
        },
        rate_to_js);
  });
}

// productRate(device?: DeviceName): Promise<number>
Napi::Value ProductRate(const Napi::CallbackInfo& info) { return measured_rate(info, "product_rate", product_rate); }

// memoryRate(device?: DeviceName): Promise<number>
Napi::Value MemoryRate(const Napi::CallbackInfo& info) { return measured_rate(info, "memory_rate", memory_rate); }

// createCancelFlag(): CancelHandle
Napi::Value CreateCancelFlag(const Napi::CallbackInfo& info) {
  return make_handle(info.Env(), std::make_shared<CancelFlag>());
}

// raiseCancelFlag(flag: CancelHandle): void
Napi::Value RaiseCancelFlag(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "raise_cancel_flag", [&] {
    get_handle<CancelFlag>(info[0], "raise_cancel_flag")->raised = true;
    return info.Env().Undefined();
  });
}

// dispose(handle): void; a second dispose does nothing
Napi::Value Dispose(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "dispose", [&] {
    const bool ours = is_handle<CancelFlag, Image, SaliencyModel, Policy, GroupBatch, LogProbs, Adamw>(info[0]);
    check(ours, "dispose", "expected a handle", "E_HANDLE");
    release_box(info.Env(), info[0].As<Napi::External<HandleBox>>().Data());
    return info.Env().Undefined();
  });
}

}  // namespace

void export_runtime(Napi::Env env, Napi::Object exports) {
  exports.Set("runtimeInfo", Napi::Function::New(env, RuntimeInfo, "runtimeInfo"));
  exports.Set("setNumThreads", Napi::Function::New(env, SetNumThreads, "setNumThreads"));
  exports.Set("takeFlops", Napi::Function::New(env, TakeFlops, "takeFlops"));
  exports.Set("takeMemoryPeak", Napi::Function::New(env, TakeMemoryPeak, "takeMemoryPeak"));
  exports.Set("setMemoryLimit", Napi::Function::New(env, SetMemoryLimit, "setMemoryLimit"));
  exports.Set("productRate", Napi::Function::New(env, ProductRate, "productRate"));
  exports.Set("memoryRate", Napi::Function::New(env, MemoryRate, "memoryRate"));
  exports.Set("createCancelFlag", Napi::Function::New(env, CreateCancelFlag, "createCancelFlag"));
  exports.Set("raiseCancelFlag", Napi::Function::New(env, RaiseCancelFlag, "raiseCancelFlag"));
  exports.Set("dispose", Napi::Function::New(env, Dispose, "dispose"));
}

}  // namespace papo
