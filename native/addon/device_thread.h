// The one thread on which all asynchronous native work runs, in call order: libtorch's grad mode, device and stream
// are per thread. JavaScript calls return promises; nothing over 5 ms runs on the JavaScript thread.
#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/cancel.h"
#include "core/error.h"

namespace papo {

// Queues work; it must not throw.
void post_to_device(std::function<void()> work);

// The JavaScript error for a native exception: Error with `code` and `op`.
Napi::Error to_js_error(Napi::Env env, std::exception_ptr failure, const char* op);

// Runs `body` on the JavaScript thread and turns native exceptions into JavaScript errors.
template <class Body>
Napi::Value guarded(Napi::Env env, const char* op, Body body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, std::current_exception(), op);
  }
}

// Runs work() on the device thread; the promise resolves with to_js(env, result).
template <class Work, class ToJs>
Napi::Value run_on_device(Napi::Env env, const char* op, Work work, ToJs to_js) {
  using Result = std::invoke_result_t<Work>;
  struct Job {
    Napi::Promise::Deferred deferred;
    Napi::ThreadSafeFunction settle;
    const char* op;
    Work work;
    ToJs to_js;
    std::optional<Result> result;
    std::exception_ptr failure;
  };
  auto* job = new Job{Napi::Promise::Deferred::New(env), {}, op, std::move(work), std::move(to_js), {}, {}};
  auto promise = job->deferred.Promise();
  job->settle = Napi::ThreadSafeFunction::New(env, Napi::Function(), op, 0, 1);
  post_to_device([job] {
    try {
      job->result.emplace(job->work());
    } catch (...) {
      job->failure = std::current_exception();
    }
    auto settle = job->settle;
    settle.BlockingCall(job, [](Napi::Env env, Napi::Function, Job* job) {
      std::unique_ptr<Job> owned(job);
      Napi::HandleScope scope(env);
      if (owned->failure) {
        owned->deferred.Reject(to_js_error(env, owned->failure, owned->op).Value());
        return;
      }
      try {
        owned->deferred.Resolve(owned->to_js(env, std::move(*owned->result)));
      } catch (const Napi::Error& error) {
        owned->deferred.Reject(error.Value());
      } catch (...) {
        owned->deferred.Reject(to_js_error(env, std::current_exception(), owned->op).Value());
      }
    });
    settle.Release();
  });
  return promise;
}

// {cancel?: CancelHandle, progress?: (done, total) => void} -> Watch; absent fields stay empty.
Watch parse_watch(Napi::Value options);

}  // namespace papo
