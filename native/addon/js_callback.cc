#include "addon/js_callback.h"

#include <mutex>

namespace papo {

namespace {

// An exception goes on in JavaScript; in an environment that is being terminated nothing runs any more, and it ends
// here.
void run(Napi::Env env, const Napi::Function& function, const JsCallback::Call& call) {
  try {
    call(env, function);
  } catch (const Napi::Error& error) {
    try {
      if (!error.IsEmpty()) error.ThrowAsJavaScriptException();
    } catch (const Napi::Error&) {
    }
  }
}

}  // namespace

struct JsCallback::State {
  std::mutex mutex;
  bool gone = false;  // released, or its environment ends: the function must not be touched
  Napi::ThreadSafeFunction function;

  // The environment's cleanup hooks run last added first: this one before the function's own, which frees it.
  static void end(void* state) {
    auto* own = static_cast<State*>(state);
    const std::lock_guard lock(own->mutex);
    own->gone = true;
  }
};

JsCallback::JsCallback(Napi::Env env, Napi::Function function, const char* name, bool keep_alive)
    : state_(std::make_shared<State>()) {
  // Lives until the function is freed, and the hook with it.
  auto* held = new std::shared_ptr<State>(state_);
  state_->function = Napi::ThreadSafeFunction::New(
      env, function, name, 0, 1,
      [](Napi::Env env, std::shared_ptr<State>* held) {
        napi_remove_env_cleanup_hook(env, State::end, held->get());
        delete held;
      },
      held);
  napi_add_env_cleanup_hook(env, State::end, state_.get());
  if (!keep_alive) state_->function.Unref(env);
}

void JsCallback::queue(Call call) const {
  const std::lock_guard lock(state_->mutex);
  if (state_->gone) return;
  auto* queued = new Call(std::move(call));
  const auto status =
      state_->function.NonBlockingCall(queued, [](Napi::Env env, Napi::Function function, Call* queued) {
        const std::unique_ptr<Call> owned(queued);
        if (env != nullptr) run(env, function, *owned);
      });
  if (status != napi_ok) delete queued;
}

void JsCallback::release() const {
  const std::lock_guard lock(state_->mutex);
  if (!state_->gone) state_->function.Release();
  state_->gone = true;
}

}  // namespace papo
