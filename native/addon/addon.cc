#include "addon/exports.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  papo::export_runtime(env, exports);
  return exports;
}

NODE_API_MODULE(papo, init)
