// Runs kernels on the CPU: a CUDA thread is a fiber, which runs until it meets a barrier, a warp operation or its end.
// Blocks go in a random order, and so do warps and lanes between such points; lanes are never in lockstep but there.
// A kernel that breaks CUDA's rules makes the launch throw std::runtime_error with kernel, block, thread and cause.
// Every OS thread has an engine of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

#include "test/simt/types.h"

namespace simt {

using Where = std::source_location;

// State of one element of a shared array: who wrote and who read it last, and when. Epochs count barriers of the block
// and of the warp; those of earlier blocks are smaller, so an element written only then counts as never written.
struct Cell {
  uint32_t write_epoch = 0, write_warp_epoch = 0, read_epoch = 0, read_warp_epoch = 0;
  int32_t writer = 0;
  int32_t reader = 0;       // -1: several threads of reader_warp
  int16_t reader_warp = 0;  // -1: several warps
  bool atomic = false;      // the last write was one
};

// One PAPO_SHARED of the running block.
struct Array {
  const void* site;
  const char* name;
  size_t count, element_bytes;
  std::byte* data;
  Cell* cells;
};

enum class Op : uint8_t { kNone, kBarrier, kSyncWarp, kShuffle, kBallot };

// The running CUDA thread.
struct Thread {
  uint3 index;  // threadIdx
  uint3 block;  // blockIdx
  int number;   // row-major in the block
  int warp, lane;
  // What it waits for at a barrier or a warp operation.
  Op op;
  unsigned mask;
  Where where;
  uint64_t value, result;
  int source;  // lane a shuffle reads
};

struct Block {
  dim3 size, grid;                      // blockDim, gridDim
  uint32_t first_epoch = 1, epoch = 1;  // barriers so far, over all blocks
  uint32_t warp_epoch[32];
};

extern constinit thread_local Thread* self;
extern constinit thread_local Block* block;

// The order of everything comes from this seed (process-wide; PAPO_SIMT_SEED at the start) and the thread's launches.
void set_seed(uint64_t seed);
// Switches between fibers on this OS thread so far; tells what emulation costs.
uint64_t num_switches();

[[noreturn]] void fail(const std::string& cause);
Array* shared_array(const void* site, const char* name, size_t count, size_t element_bytes);
void barrier(Where where);
// Waits for the other lanes of the mask, then gives the source lane's value (kShuffle) or the mask of lanes whose value
// is not 0 (kBallot).
uint64_t warp_op(Op op, unsigned mask, uint64_t value, int source, Where where);

[[noreturn]] void race(const Array& array, size_t index, const char* now, int other, const char* before);
[[noreturn]] void unwritten(const Array& array, size_t index);
[[noreturn]] void out_of_bounds(const Array& array, int64_t index);

// Only barriers order shared memory, and __syncwarp of all lanes within a warp; a shuffle does not (CUDA C++
// Programming Guide, "Warp Shuffle Functions").
inline bool ordered(int other, uint32_t epoch, uint32_t warp_epoch) {
  return epoch < block->epoch || other == self->number ||
         (other / 32 == self->warp && warp_epoch < block->warp_epoch[self->warp]);
}
inline void note_read(const Array& array, size_t index) {
  Cell& cell = array.cells[index];
  if (cell.write_epoch < block->first_epoch) unwritten(array, index);
  if (!ordered(cell.writer, cell.write_epoch, cell.write_warp_epoch))
    race(array, index, "read", cell.writer, "written");
  const uint32_t warp_epoch = block->warp_epoch[self->warp];
  if (cell.read_epoch < block->epoch) {
    cell.reader = self->number;
    cell.reader_warp = static_cast<int16_t>(self->warp);
  } else if (cell.reader_warp != self->warp) {
    cell.reader_warp = -1;
  } else if (cell.reader != self->number) {
    cell.reader = cell.read_warp_epoch < warp_epoch ? self->number : -1;
  }
  cell.read_epoch = block->epoch;
  cell.read_warp_epoch = warp_epoch;
}
inline void note_write(const Array& array, size_t index, bool atomic) {
  Cell& cell = array.cells[index];
  const bool both_atomic = atomic && cell.atomic;
  if (!both_atomic && !ordered(cell.writer, cell.write_epoch, cell.write_warp_epoch))
    race(array, index, "written", cell.writer, "written");
  if (cell.read_epoch == block->epoch) {
    const bool mine = cell.reader_warp == self->warp && cell.reader == self->number;
    const bool synced = cell.reader_warp == self->warp && cell.read_warp_epoch < block->warp_epoch[self->warp];
    if (!mine && !synced) race(array, index, "written", cell.reader_warp < 0 ? -1 : cell.reader, "read");
  }
  cell = {block->epoch,     block->warp_epoch[self->warp],
          cell.read_epoch,  cell.read_warp_epoch,
          self->number,     cell.reader,
          cell.reader_warp, atomic};
}

// Runs body(arguments) once for every thread of the grid.
cudaError_t run(const char* kernel, dim3 grid, dim3 size, void (*body)(void*), void* arguments);

template <class... P, class... A>
cudaError_t launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 size, cudaStream_t, A&&... arguments) {
  auto call = [kernel, &arguments...] { kernel(static_cast<P>(arguments)...); };
  return run(
      name, grid, size, [](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call);
}

}  // namespace simt
