// Patch masks on the device, number for number those of image/patch_mask.cc: which cells are dropped, and what fills
// them in the model's packed patches (patch mode). Raw masks lie before the resize, which is the host's.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// Of RandomStream in core/philox.h: the seed, and the stream folded from purpose and coordinates.
struct PhiloxStream {
  uint64_t seed, stream;
};
PhiloxStream philox_stream(uint64_t seed, uint64_t purpose, const uint64_t* coordinates, int count);

// cells [count] bytes, 1 = dropped: a draw of the cell's own below ratio, or exactly floor(ratio * count) cells with
// the smallest draws (ties: the lower index) when exact. draws is workspace [count], needed when exact only. exact
// compares all pairs: 5,000 cells are 25 M comparisons. Blocks of 256 threads, at most 40 registers.
cudaError_t patch_mask_cells(const PhiloxStream& cell_stream, double ratio, bool exact, int64_t count, uint64_t* draws,
                             uint8_t* cells, cudaStream_t stream);

// What a dropped pixel becomes, in normalised values. Noise is N(0, 1), a function of the row-major pixel alone; its
// logarithm and angle are double, whose last bit may differ from the host's library and with it, once in some 10^8
// numbers, the last bit of a float.
struct MaskFillValue {
  bool noise = false;
  PhiloxStream noise_stream{};
  float value[3] = {};  // of the channels, without noise
};

// How a picture is cut: features [channel, temporal, y, x], patches in blocks of merge x merge, row-major.
struct PatchGrid {
  int rows, cols;  // of patches
  int merge_size, patch_size, temporal_size;
  int span;  // patches along a side of a cell
};

// values_PF float32 [rows * cols, 3 * temporal * patch^2] in place. One block a patch, at most 48 registers.
cudaError_t fill_patch_cells_(float* values_PF, const uint8_t* cells, const PatchGrid& grid, const MaskFillValue& fill,
                              cudaStream_t stream);

// For a share of dropped cells; only those are written.
KernelCost patch_mask_cells_cost(int64_t count, bool exact);
KernelCost fill_patch_cells_cost(const PatchGrid& grid, double dropped);

}  // namespace papo::kernels
