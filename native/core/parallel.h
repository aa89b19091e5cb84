// Dynamic scheduling over libtorch's threads: tasks of unequal cost, each writing its own output.
#pragma once

#include <atomic>

#include "core/cancel.h"
#include "core/torch_compat.h"

namespace papo {

// Calls task(index) for every index in [0, count), in any order, from up to at::get_num_threads() threads. Polls before
// each; the tasks may poll as well.
template <class Task>
void parallel_tasks(int64_t count, const Task& task) {
  const int64_t threads = std::min<int64_t>(count, at::get_num_threads());
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&, call = current_call](int64_t, int64_t) {
    const CallScope scope(call);
    for (int64_t index; (index = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      poll_cancel();
      task(index);
    }
  });
}

}  // namespace papo
