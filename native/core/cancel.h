// Stopping a long call from another thread, and its progress. Whatever takes long polls: between decode steps and
// micro-batches, in each layer's products, in the tiles of attention, forward and backward.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/error.h"

namespace papo {

struct CancelFlag {
  std::atomic<bool> raised{false};
};

struct Watch {
  std::shared_ptr<CancelFlag> cancel;                         // may be null
  std::function<void(int64_t done, int64_t total)> progress;  // may be empty

  void report(int64_t done, int64_t total) const {
    if (progress) progress(done, total);
  }
};

// What this thread works on, so that ops far below the call can poll without being handed a Watch.
struct CurrentCall {
  const CancelFlag* cancel = nullptr;
  const char* op = "";
};
inline thread_local CurrentCall current_call;

// Makes `call` this thread's current one for a scope; an empty one makes the scope uninterruptible.
class CallScope {
 public:
  explicit CallScope(CurrentCall call) : before_(current_call) { current_call = call; }
  ~CallScope() { current_call = before_; }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

 private:
  const CurrentCall before_;
};

// Throws E_ABORTED when the current call's flag is raised.
inline void poll_cancel() {
  const auto& [cancel, op] = current_call;
  if (cancel != nullptr && cancel->raised.load(std::memory_order_relaxed))
    throw Error("E_ABORTED", op, "stopped by the caller");
}

}  // namespace papo
