// Work that is recorded once and started again with one call, in place of its many launches: a CUDA graph. Emulated,
// the work itself runs again, and is held to what a graph needs.
#pragma once

#include "core/device.h"

namespace papo {

// Memory for the tensors that the work of some graphs makes; one of them at a time is replayed. When the last of them
// is gone, so is the memory: new ones take another.
class GraphMemory {
 public:
  GraphMemory();
  ~GraphMemory();
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

 private:
  friend class DeviceGraph;
  struct State;
  const std::unique_ptr<State> state_;
};

class DeviceGraph {
 public:
  // Does the work and records it. The work is launches and at:: operations of fixed sizes without gradients. It copies
  // nothing from or to the host, and tensors that it does not make itself stay where they are. `memory` outlives this.
  DeviceGraph(std::function<void()> work, const GraphMemory& memory);
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  // Does the same again with what is in those tensors now, and counts its arithmetic. The host does not wait.
  // Emulated: E_CUDA when the work takes other tensors than those recorded.
  void replay();

 private:
  struct Recorded;
  const std::unique_ptr<Recorded> recorded_;
};

}  // namespace papo
