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

#include "addon/js_callback.h"
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

// Runs work() on the device thread; the promise resolves with to_js(env, result). Raising `cancel`, which may be null,
// stops it at the next poll_cancel().
template <class Work, class ToJs>
Napi::Value run_on_device(Napi::Env env, const char* op, const std::shared_ptr<const CancelFlag>& cancel, Work work,
                          ToJs to_js) {
  using Result = std::invoke_result_t<Work>;
  struct Job {
    Napi::Promise::Deferred deferred;
    JsCallback settle;
    const char* op;
    std::shared_ptr<const CancelFlag> cancel;
    Work work;
    ToJs to_js;
    std::optional<Result> result;
    std::exception_ptr failure;

    void run() {
      try {
        const CallScope scope({cancel.get(), op});
        poll_cancel();
        result.emplace(work());
      } catch (...) {
        failure = std::current_exception();
      }
    }
    void resolve(Napi::Env env) {
      const Napi::HandleScope scope(env);
      try {
        if (failure) std::rethrow_exception(failure);
        deferred.Resolve(to_js(env, std::move(*result)));
      } catch (const Napi::Error& error) {
        deferred.Reject(error.Value());
      } catch (...) {
        deferred.Reject(to_js_error(env, std::current_exception(), op).Value());
      }
    }
  };
  auto job = std::make_shared<Job>(Job{Napi::Promise::Deferred::New(env),
                                       JsCallback(env, Napi::Function(), op, true),
                                       op,
                                       cancel,
                                       std::move(work),
                                       std::move(to_js),
                                       {},
                                       {}});
  auto promise = job->deferred.Promise();
  post_to_device([job] {
    job->run();
    job->settle.queue([job](Napi::Env env, Napi::Function) { job->resolve(env); });
    job->settle.release();
  });
  return promise;
}

template <class Work, class ToJs>
Napi::Value run_on_device(Napi::Env env, const char* op, Work work, ToJs to_js) {
  return run_on_device(env, op, nullptr, std::move(work), std::move(to_js));
}

// {cancel?: CancelHandle, progress?: (done, total) => void} -> Watch; absent fields stay empty.
Watch parse_watch(Napi::Value options);

}  // namespace papo
