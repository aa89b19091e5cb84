// The export table, one function an area; each binds N-API functions that only convert values and post work.
#pragma once

#include <napi.h>

namespace papo {

void export_runtime(Napi::Env env, Napi::Object exports);    // build info, threads, cancel flags, dispose
void export_image(Napi::Env env, Napi::Object exports);      // images, resizing, patches, patch masks
void export_policy(Napi::Env env, Napi::Object exports);     // policy, generation, log-probs, training step
void export_saliency(Napi::Env env, Napi::Object exports);   // models that rank patches by saliency
void export_analysis(Napi::Env env, Napi::Object exports);   // what is measured of a policy to look at
void export_objective(Napi::Env env, Napi::Object exports);  // the objective on given log-probs, for tests
void export_testing(Napi::Env env, Napi::Object exports);    // single ops for tests: native/test

}  // namespace papo
