// Tensor bytes in and out of safetensors files. Headers are read, checked and laid out by lib/policy; here are ranges
// of bytes. Reading goes through a bounded buffer, so that loading peaks at one copy of the weights and a file that
// shrinks meanwhile is an error, not a crash.
#pragma once

#include "core/cancel.h"
#include "core/torch_compat.h"

namespace papo {

struct TensorRange {
  at::Tensor tensor;          // contiguous, on the CPU
  at::ScalarType file_dtype;  // converted from or to
  int64_t offset;             // of its first byte in the file
};

// Fills the tensors. E_IO naming the file when it cannot be read or ends early.
void read_tensors(const std::string& file, const std::vector<TensorRange>& ranges, const Watch& watch);

// Creates the file (it must not exist) with the header and the tensors, and syncs it to disk.
void write_tensors(const std::string& file, const std::string& header, const std::vector<TensorRange>& ranges,
                   const Watch& watch);

}  // namespace papo
