#include "addon/exports.h"
#include "core/memory.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  papo::count_tensor_memory();
  papo::export_runtime(env, exports);
  papo::export_policy(env, exports);
  papo::export_image(env, exports);
  papo::export_saliency(env, exports);
  papo::export_analysis(env, exports);
#ifdef PAPO_TESTING
  papo::export_objective(env, exports);
  papo::export_testing(env, exports);
#endif
  return exports;
}

NODE_API_MODULE(papo, init)
