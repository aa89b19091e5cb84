#include "test/simt/engine.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "test/simt/arrays.h"
#include "test/simt/fiber.h"
#include "test/simt/random.h"
#include "test/simt/text.h"

namespace simt {

constinit thread_local Thread* self = nullptr;
constinit thread_local Block* block = nullptr;

namespace {

constexpr int kMaxThreads = 1024;

uint64_t initial_seed() {
  const char* text = std::getenv("PAPO_SIMT_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}
std::atomic<uint64_t> global_seed = initial_seed();

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Engine {
 public:
  cudaError_t run(const char* kernel, dim3 grid, dim3 size, void (*body)(void*), void* arguments);
  void barrier(Where where);
  uint64_t warp_op(Op op, unsigned mask, uint64_t value, int source, Where where);
  std::string describe(const std::string& cause) const {
    return std::string("simt: kernel ") + kernel_ + ", block " + text_of(self->block) + ", thread " +
           text_of(self->index) + ": " + cause;
  }
  Arrays arrays;
  uint64_t switches = 0;

 private:
  struct Warp {
    unsigned runnable, live, waiting, ended;  // lanes that can go on, have not ended, wait at a warp operation, ended
  };

  static void fiber_main();
  void begin_block(uint32_t number);
  void release_warp_op(unsigned mask);
  void end_thread();
  void leave();
  int next_thread();
  [[noreturn]] void stuck() const;

  const char* kernel_ = "";
  void (*body_)(void*) = nullptr;
  void* arguments_ = nullptr;
  Random random_{0};
  uint64_t launches_ = 0;
  Block block_{};
  int num_threads_ = 0, num_warps_ = 0, at_barrier_ = 0, ended_ = 0, last_warp_ = 0;
  Where barrier_where_;
  Warp warps_[kMaxThreads / 32] = {};
  std::vector<int> ready_;  // warps with runnable lanes
  std::vector<Thread> threads_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  Fiber host_;
  std::string failure_;
};

Engine& engine() {
  thread_local Engine instance;
  return instance;
}

void Engine::fiber_main() {
  Fiber::entered();
  Engine& e = engine();
  for (;;) {
    try {
      e.body_(e.arguments_);
      e.end_thread();
    } catch (const Failure& failure) {
      e.failure_ = failure.what();
    } catch (const std::exception& error) {
      e.failure_ = e.describe(error.what());
    }
    e.leave();
  }
}

cudaError_t Engine::run(const char* kernel, dim3 grid, dim3 size, void (*body)(void*), void* arguments) {
  if (self != nullptr) throw std::runtime_error("simt: a kernel cannot launch a kernel");
  const uint64_t threads = uint64_t{size.x} * size.y * size.z, blocks = uint64_t{grid.x} * grid.y * grid.z;
  if (threads == 0 || threads > kMaxThreads || size.z > 64 || blocks == 0 || grid.x > 0x7FFFFFFFu || grid.y > 65535 ||
      grid.z > 65535 || blocks > 0xFFFFFFFFull)
    return cudaErrorInvalidConfiguration;
  kernel_ = kernel;
  body_ = body;
  arguments_ = arguments;
  random_ = Random(global_seed.load() * 1000003 + ++launches_);
  num_threads_ = static_cast<int>(threads);
  num_warps_ = (num_threads_ + 31) / 32;
  block_ = Block{size, grid, 1, 1, {}};
  arrays.clear();
  failure_.clear();
  threads_.resize(num_threads_);
  while (fibers_.size() < threads) fibers_.push_back(std::make_unique<Fiber>(&Engine::fiber_main));
  std::vector<uint32_t> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  for (uint32_t i = static_cast<uint32_t>(blocks); i > 1; --i) std::swap(order[i - 1], order[random_.below(i)]);
  block = &block_;
  for (const uint32_t number : order) {
    begin_block(number);
    const int first = next_thread();
    self = &threads_[first];
    ++switches;
    fibers_[first]->enter_from(host_);
    if (!failure_.empty()) break;
  }
  self = nullptr;
  block = nullptr;
  if (failure_.empty()) return cudaSuccess;
  for (auto& fiber : fibers_) fiber->restart();  // the others stand in the middle of the kernel
  throw std::runtime_error(failure_);
}

void Engine::begin_block(uint32_t number) {
  const dim3 grid = block_.grid, size = block_.size;
  const uint3 index{number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
  block_.first_epoch = ++block_.epoch;
  std::fill_n(block_.warp_epoch, 32, 0u);
  at_barrier_ = ended_ = 0;
  arrays.poison();
  for (int t = 0; t < num_threads_; ++t) {
    const unsigned n = static_cast<unsigned>(t);
    threads_[t] = {
        {n % size.x, n / size.x % size.y, n / size.x / size.y}, index, t, t / 32, t % 32, Op::kNone, 0, {}, 0, 0, 0};
  }
  ready_.clear();
  for (int w = 0; w < num_warps_; ++w) {
    const int lanes = std::min(32, num_threads_ - w * 32);
    const unsigned all = lanes == 32 ? 0xFFFFFFFFu : (1u << lanes) - 1;
    warps_[w] = {all, all, 0, 0};
    ready_.push_back(w);
  }
  last_warp_ = 0;
}

// Mostly a lane of the same warp, whose stacks are warm; every fourth time any warp. -1: none is runnable.
int Engine::next_thread() {
  if (ready_.empty()) return -1;
  if (warps_[last_warp_].runnable == 0 || random_.below(4) == 0)
    last_warp_ = ready_[random_.below(static_cast<uint32_t>(ready_.size()))];
  Warp& warp = warps_[last_warp_];
  const int turn = static_cast<int>(random_.below(32));
  const int lane = (std::countr_zero(std::rotr(warp.runnable, turn)) + turn) & 31;
  warp.runnable &= ~(1u << lane);
  if (warp.runnable == 0) ready_.erase(std::find(ready_.begin(), ready_.end(), last_warp_));
  return last_warp_ * 32 + lane;
}

// Leaves the running fiber for another thread of the block, or for the host when all ended or one failed.
void Engine::leave() {
  Thread* const me = self;
  Fiber& from = *fibers_[me->number];
  int next = -1;
  if (failure_.empty() && ended_ < num_threads_) {
    next = next_thread();
    if (next < 0) {
      try {
        stuck();
      } catch (const Failure& failure) {
        failure_ = failure.what();
      }
    }
  }
  if (next == me->number) return;
  ++switches;
  if (next < 0) {
    host_.enter_from(from);
  } else {
    self = &threads_[next];
    fibers_[next]->enter_from(from);
  }
  // Whoever came back here has set self to this fiber's thread.
}

void Engine::stuck() const {
  const Thread* waiting = nullptr;
  for (const auto& thread : threads_) {
    if (thread.op == Op::kNone) continue;
    if (waiting == nullptr) waiting = &thread;
    if (waiting->op != thread.op || !same(waiting->where, thread.where)) {
      self = const_cast<Thread*>(waiting);
      fail(std::string("divergence: it waits at ") + name_of(waiting->op) + " (" + text_of(waiting->where) +
           "), thread " + text_of(thread.index) + " at " + name_of(thread.op) + " (" + text_of(thread.where) + ")");
    }
  }
  self = const_cast<Thread*>(waiting);
  fail(std::string("waits forever at ") + name_of(waiting->op) + " (" + text_of(waiting->where) + ")");
}

void Engine::end_thread() {
  ++ended_;
  Warp& warp = warps_[self->warp];
  const unsigned bit = 1u << self->lane;
  warp.live &= ~bit;
  warp.ended |= bit;
  if (at_barrier_ > 0) fail("ended while other threads wait at __syncthreads (" + text_of(barrier_where_) + ")");
  for (unsigned rest = warp.waiting; rest != 0; rest &= rest - 1) {
    const Thread& other = threads_[self->warp * 32 + std::countr_zero(rest)];
    if ((other.mask & bit) != 0)
      fail("ended while lane " + std::to_string(other.lane) + " waits for it at " + name_of(other.op) + " (" +
           text_of(other.where) + ") with mask " + hex(other.mask));
  }
}

void Engine::barrier(Where where) {
  if (ended_ > 0) fail("reached __syncthreads (" + text_of(where) + ") after other threads of the block had ended");
  if (at_barrier_ == 0) barrier_where_ = where;
  if (!same(where, barrier_where_))
    fail("divergence: reached __syncthreads at " + text_of(where) + ", others wait at " + text_of(barrier_where_));
  if (++at_barrier_ < num_threads_) {
    self->op = Op::kBarrier;
    self->where = where;
    return leave();
  }
  at_barrier_ = 0;
  ++block_.epoch;
  ready_.clear();
  for (int w = 0; w < num_warps_; ++w) {
    warps_[w].runnable = warps_[w].live;
    ready_.push_back(w);
  }
  for (auto& thread : threads_) thread.op = Op::kNone;
  leave();
}

uint64_t Engine::warp_op(Op op, unsigned mask, uint64_t value, int source, Where where) {
  Warp& warp = warps_[self->warp];
  const unsigned bit = 1u << self->lane;
  if ((mask & bit) == 0) fail(std::string("is not in the mask ") + hex(mask) + " of its " + name_of(op));
  if ((mask & warp.ended) != 0)
    fail(std::string("names lanes that have ended, ") + hex(mask & warp.ended) + ", in the mask of " + name_of(op) +
         " (" + text_of(where) + ")");
  for (unsigned rest = warp.waiting; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    const Thread& other = threads_[self->warp * 32 + lane];
    if ((mask >> lane & 1u) == 0 && (other.mask & bit) == 0) continue;
    if (other.op != op || other.mask != mask || !same(other.where, where))
      fail(std::string("reached ") + name_of(op) + " (" + text_of(where) + ") with mask " + hex(mask) + ", lane " +
           std::to_string(lane) + " waits at " + name_of(other.op) + " (" + text_of(other.where) + ") with mask " +
           hex(other.mask));
    break;  // the others of that mask were compared when they came
  }
  self->op = op;
  self->mask = mask;
  self->where = where;
  self->value = value;
  self->source = source;
  warp.waiting |= bit;
  if ((mask & warp.live & ~warp.waiting) == 0) release_warp_op(mask);
  Thread* const me = self;
  leave();
  return me->result;
}

// All lanes of the mask that have not ended wait: works out their results and lets them go on.
void Engine::release_warp_op(unsigned mask) {
  const int first = self->warp * 32;
  Warp& warp = warps_[self->warp];
  const unsigned group = mask & warp.waiting;
  uint64_t votes = 0;
  for (unsigned rest = group; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    if (threads_[first + lane].value != 0) votes |= uint64_t{1} << lane;
  }
  Op op = Op::kNone;
  for (unsigned rest = group; rest != 0; rest &= rest - 1) {
    Thread& thread = threads_[first + std::countr_zero(rest)];
    op = thread.op;
    if (op == Op::kShuffle) {
      if ((group >> thread.source & 1u) == 0) {
        self = &thread;
        fail("shuffles from lane " + std::to_string(thread.source) + ", which takes no part (" + text_of(thread.where) +
             ")");
      }
      thread.result = threads_[first + thread.source].value;
    } else {
      thread.result = votes;
    }
  }
  for (unsigned rest = group; rest != 0; rest &= rest - 1) threads_[first + std::countr_zero(rest)].op = Op::kNone;
  if (op == Op::kSyncWarp && group == warp.live) ++block_.warp_epoch[self->warp];
  if (warp.runnable == 0) ready_.push_back(self->warp);
  warp.runnable |= group;
  warp.waiting &= ~group;
}

}  // namespace

void set_seed(uint64_t seed) { global_seed = seed; }
uint64_t num_switches() { return engine().switches; }

void fail(const std::string& cause) { throw Failure(engine().describe(cause)); }
Array* shared_array(const void* site, const char* name, size_t count, size_t element_bytes) {
  return engine().arrays.find_or_add(site, name, count, element_bytes);
}
void barrier(Where where) { engine().barrier(where); }
uint64_t warp_op(Op op, unsigned mask, uint64_t value, int source, Where where) {
  return engine().warp_op(op, mask, value, source, where);
}
cudaError_t run(const char* kernel, dim3 grid, dim3 size, void (*body)(void*), void* arguments) {
  return engine().run(kernel, grid, size, body, arguments);
}

}  // namespace simt
