// A module of its own beside a prebuilt one: what has to happen before that can be loaded. It links neither libtorch,
// nor CUDA, nor the C++ library, so that it loads wherever Node.js does and can say what is wrong with them.
#include <dlfcn.h>
#include <node_api.h>

namespace {

napi_value fail(napi_env env, const char* text) {
  napi_throw_error(env, nullptr, text != nullptr ? text : "the loader gives no reason");
  return nullptr;
}

// loadLibrary(file): the prebuilt module names its libraries by their bare names, which the loader takes from those
// that are loaded already, wherever they lie.
napi_value load_library(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  char file[4096];
  size_t length = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (count < 1 || napi_get_value_string_utf8(env, argument, file, sizeof file, &length) != napi_ok) {
    return fail(env, "[load_library] expected the name of a file");
  }
  if (dlopen(file, RTLD_NOW | RTLD_LOCAL) == nullptr) return fail(env, dlerror());
  return nullptr;
}

// cudaDevices(): how many GPUs NVIDIA's driver offers. A broken driver may end the process: ask in another one.
napi_value cuda_devices(napi_env env, napi_callback_info) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return fail(env, dlerror());
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get_count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  if (init == nullptr || get_count == nullptr) return fail(env, "libcuda.so.1 is no CUDA driver");
  int devices = 0;
  if (init(0) != 0) return fail(env, "NVIDIA's driver does not start (cuInit failed)");
  if (get_count(&devices) != 0) return fail(env, "NVIDIA's driver does not list its GPUs");
  napi_value result;
  napi_create_int32(env, devices, &result);
  return result;
}

void export_function(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}

}  // namespace

NAPI_MODULE_INIT() {
  export_function(env, exports, "loadLibrary", load_library);
  export_function(env, exports, "cudaDevices", cuda_devices);
  return exports;
}
