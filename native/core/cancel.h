// Polled between native steps so that an AbortSignal stops a long call, and told of progress.
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

  void poll(const char* op) const {
    if (cancel && cancel->raised.load(std::memory_order_relaxed)) throw Error("E_ABORTED", op, "stopped by the caller");
  }
  void report(int64_t done, int64_t total) const {
    if (progress) progress(done, total);
  }
};

}  // namespace papo
