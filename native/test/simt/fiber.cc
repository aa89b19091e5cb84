#include "test/simt/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(PAPO_SIMT_SWITCH)
extern "C" void papo_simt_switch(void** leave, void* enter);
asm(R"(
.text
.hidden papo_simt_switch
.globl papo_simt_switch
.type papo_simt_switch, @function
papo_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size papo_simt_switch, . - papo_simt_switch
)");
#endif

namespace simt {
namespace {

// Sanitizers grow frames and error texts are made on these stacks; untouched pages cost nothing.
constexpr size_t kStackBytes = size_t{128} << 10, kGuardBytes = 4096;

thread_local Fiber* left = nullptr;  // the fiber that was last switched away from

}  // namespace

Fiber::Fiber(void (*entry)()) : entry_(entry) {
  void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack_ = static_cast<std::byte*>(memory);
  mprotect(stack_, kGuardBytes, PROT_NONE);  // an overflow faults here
  bottom_ = stack_ + kGuardBytes;
  size_ = kStackBytes - kGuardBytes;
  restart();
}

Fiber::~Fiber() {
  if (stack_ != nullptr) munmap(stack_, kStackBytes);
}

void Fiber::restart() {
  fake_stack_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(bottom_, size_);
#endif
#if defined(PAPO_SIMT_SWITCH)
  auto* top = reinterpret_cast<uint64_t*>(stack_ + kStackBytes);
  *--top = 0;  // where entry would return to; it also aligns the stack as a call does
  *--top = reinterpret_cast<uint64_t>(entry_);
  for (int saved = 0; saved < 6; ++saved) *--top = 0;
  stack_pointer_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_ + kGuardBytes;
  context_.uc_stack.ss_size = size_;
  makecontext(&context_, entry_, 0);
#endif
}

void Fiber::enter_from(Fiber& from) {
  left = &from;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack_, bottom_, size_);
#endif
#if defined(PAPO_SIMT_SWITCH)
  papo_simt_switch(&from.stack_pointer_, stack_pointer_);
#else
  swapcontext(&from.context_, &context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  Fiber& back_from = *left;
  const void* bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(from.fake_stack_, &bottom, &size);
  if (back_from.stack_ == nullptr) back_from.bottom_ = bottom, back_from.size_ = size;
#endif
}

void Fiber::entered() {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (left->stack_ == nullptr) left->bottom_ = bottom, left->size_ = size;
#endif
}

}  // namespace simt
