// A stack that can be left and entered again. Switching is a dozen instructions on x86-64 and ucontext elsewhere; with
// AddressSanitizer it is told of every switch.
#pragma once

#include <cstddef>

// PAPO_SIMT_UCONTEXT: ucontext on x86-64 too.
#if defined(__x86_64__) && !defined(PAPO_SIMT_UCONTEXT)
#define PAPO_SIMT_SWITCH 1
#else
#include <ucontext.h>
#endif

namespace simt {

class Fiber {
 public:
  // The stack of the calling OS thread.
  Fiber() = default;
  // A stack of its own that runs entry() when it is first entered; entry never returns.
  explicit Fiber(void (*entry)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Leaves `from`, the running fiber, for this one; returns when `from` is entered again.
  void enter_from(Fiber& from);
  // To be called first in entry().
  static void entered();
  // Forgets where it was: it starts at entry() again.
  void restart();

 private:
  void (*entry_)() = nullptr;
  std::byte* stack_ = nullptr;  // null: the OS thread's
#if defined(PAPO_SIMT_SWITCH)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_{};
#endif
  // For AddressSanitizer.
  void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;
  size_t size_ = 0;
};

}  // namespace simt
