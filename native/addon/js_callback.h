// Calls into JavaScript from the device thread that outlive their environment: a worker may be terminated while its
// native call runs, and what is then still to be told it is dropped.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

namespace papo {

class JsCallback {
 public:
  using Call = std::function<void(Napi::Env, Napi::Function)>;

  JsCallback() = default;
  // On the JavaScript thread. `keep_alive`: the event loop does not end before the release.
  JsCallback(Napi::Env env, Napi::Function function, const char* name, bool keep_alive);

  // From any thread: queues call(env, function) for the JavaScript thread, or destroys it uncalled.
  void queue(Call call) const;
  // After the last queue(). Copies share one callback.
  void release() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace papo
