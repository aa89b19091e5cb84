#include "core/device_graph.h"

#include "core/flops.h"
#include "core/kernel_call.h"

namespace papo {
namespace {

class RecordingScope {
 public:
  RecordingScope() { recording = true; }
  ~RecordingScope() { recording = false; }
  RecordingScope(const RecordingScope&) = delete;
  RecordingScope& operator=(const RecordingScope&) = delete;
};

}  // namespace

#ifdef PAPO_CUDA

struct GraphMemory::State {
  c10::MempoolId_t pool = at::cuda::graph_pool_handle();
};

// Not the default one, which cannot be captured. One for all, since cuBLAS keeps 32 MiB for each stream that it meets.
c10::cuda::CUDAStream recording_stream() {
  static const auto stream = c10::cuda::getStreamFromPool();
  return stream;
}

struct DeviceGraph::Recorded {
  at::cuda::CUDAGraph graph;
  FlopCounts flops{};
};

DeviceGraph::DeviceGraph(std::function<void()> work, const GraphMemory& memory)
    : recorded_(std::make_unique<Recorded>()) {
#ifdef PAPO_TESTING
  ++kernel_launches["graph recorded"];
#endif
  const RecordingScope scope;
  work();  // libraries set themselves up at their first calls, which cannot be captured
  const FlopCounts before = flop_counts;
  const c10::cuda::CUDAStreamGuard on_stream(recording_stream());
  // Other threads may allocate meanwhile.
  recorded_->graph.capture_begin(memory.state_->pool, cudaStreamCaptureModeThreadLocal);
  try {
    work();
  } catch (...) {
    try {
      recorded_->graph.capture_end();
    } catch (const c10::Error&) {  // of the capture that failed; the reason is on its way
    }
    throw;
  }
  recorded_->graph.capture_end();
  for (size_t phase = 0; phase < kNumFlopPhases; ++phase) recorded_->flops[phase] = flop_counts[phase] - before[phase];
  flop_counts = before;
}

void DeviceGraph::replay() {
#ifdef PAPO_TESTING
  ++kernel_launches["graph replayed"];
#endif
  recorded_->graph.replay();
  for (size_t phase = 0; phase < kNumFlopPhases; ++phase) flop_counts[phase] += recorded_->flops[phase];
}

#else

struct GraphMemory::State {};

namespace {

void check_recorded(bool ok, const std::string& text) { check(ok, "device_graph", "recorded work " + text, "E_CUDA"); }

// A tensor that a kernel took.
struct Taken {
  const void* data;
  c10::weak_intrusive_ptr<c10::StorageImpl> storage;
  bool stays = false;  // not made by the work: its storage is there when that has ended
};

thread_local bool read_by_host = false;

// Operations that read a number of the device.
std::unique_ptr<at::ObserverContext> note_host_reads(const at::RecordFunction& function) {
  const std::string name = function.name();
  for (const char* reads : {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal"}) read_by_host |= name == reads;
  return nullptr;
}

// Runs the work with `watch` told of the tensors that kernels take.
void run_watched(const std::function<void()>& work, std::function<void(const at::Tensor&)> watch) {
  const RecordingScope scope;
  read_by_host = false;
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(note_host_reads));
  watch_kernel_data = std::move(watch);
  const auto end = [&] {
    watch_kernel_data = nullptr;
    at::removeCallback(handle);
  };
  try {
    work();
  } catch (...) {
    end();
    throw;
  }
  end();
  check_recorded(!read_by_host, "reads a number of the device");
}

}  // namespace

struct DeviceGraph::Recorded {
  std::function<void()> work;
  std::vector<Taken> taken;
};

DeviceGraph::DeviceGraph(std::function<void()> work, const GraphMemory&)
    : recorded_(std::make_unique<Recorded>(Recorded{std::move(work), {}})) {
  ++kernel_launches["graph recorded"];
  auto& taken = recorded_->taken;
  run_watched(recorded_->work, [&](const at::Tensor& x) {
    taken.push_back({x.const_data_ptr(), x.storage().getWeakStorageImpl()});
  });
  for (auto& tensor : taken) tensor.stays = !tensor.storage.expired();
}

void DeviceGraph::replay() {
  ++kernel_launches["graph replayed"];
  size_t next = 0;
  run_watched(recorded_->work, [&](const at::Tensor& x) {
    check_recorded(next < recorded_->taken.size(), "launches more kernels than before");
    const auto& before = recorded_->taken[next++];
    check_recorded(!before.stays || before.data == x.const_data_ptr(), "takes a tensor that has moved");
  });
  check_recorded(next == recorded_->taken.size(), "launches fewer kernels than before");
}

#endif

GraphMemory::GraphMemory() : state_(std::make_unique<State>()) {}
GraphMemory::~GraphMemory() = default;
DeviceGraph::~DeviceGraph() = default;

}  // namespace papo
