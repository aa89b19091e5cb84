#include "kernels/patch_mask.cuh"

#include "core/philox.h"
#include "kernels/philox_block.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;

// The 53 bits of RandomStream::uniform.
PAPO_DEVICE uint64_t draw_of(const PhiloxStream& stream, uint64_t index) {
  const uint4 words = philox_block(stream.seed, stream.stream, index);
  return ((static_cast<uint64_t>(words.y) << 32) | words.x) >> 11;
}

__global__ void __launch_bounds__(kThreads)
    chance_kernel(PhiloxStream stream, double ratio, int64_t count, uint8_t* __restrict__ cells) {
  const int64_t cell = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (cell < count) cells[cell] = static_cast<double>(draw_of(stream, cell)) * 0x1.0p-53 < ratio;
}
__global__ void __launch_bounds__(kThreads)
    draws_kernel(PhiloxStream stream, int64_t count, uint64_t* __restrict__ draws) {
  const int64_t cell = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (cell < count) draws[cell] = draw_of(stream, cell);
}
// A cell is dropped when fewer than num_dropped come before it in the order of (draw, index).
__global__ void __launch_bounds__(kThreads) smallest_kernel(const uint64_t* __restrict__ draws, int64_t count,
                                                            int64_t num_dropped, uint8_t* __restrict__ cells) {
  PAPO_SHARED(uint64_t, tile, kThreads);
  const int64_t cell = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const uint64_t mine = cell < count ? draws[cell] : 0;
  int64_t before = 0;
  for (int64_t first = 0; first < count; first += kThreads) {
    if (first + threadIdx.x < count) tile[threadIdx.x] = draws[first + threadIdx.x];
    __syncthreads();
    const int size = static_cast<int>(count - first < kThreads ? count - first : kThreads);
    for (int i = 0; i < size; ++i) {
      const uint64_t other = tile[i];
      before += other < mine || (other == mine && first + i < cell);
    }
    __syncthreads();
  }
  if (cell < count) cells[cell] = before < num_dropped;
}

// Box-Muller in double, as normal_pair of image/patch_mask.cc: first of the pair (radius * cos), and second.
PAPO_DEVICE float2 normal_pair(uint32_t first, uint32_t second) {
  const double radius = sqrt(-2.0 * log((first + 1.0) * 0x1.0p-32));
  double sine, cosine;
  sincospi(2.0 * (second * 0x1.0p-32), &sine, &cosine);
  return make_float2(static_cast<float>(radius * cosine), static_cast<float>(radius * sine));
}
PAPO_DEVICE float3 noise_of(const PhiloxStream& stream, uint64_t pixel) {
  const uint4 words = philox_block(stream.seed, stream.stream, pixel);
  const float2 first = normal_pair(words.x, words.y);
  return make_float3(first.x, first.y, normal_pair(words.z, words.w).x);
}

__global__ void __launch_bounds__(kThreads)
    patch_kernel(float* values_PF, const uint8_t* __restrict__ cells, PatchGrid grid, MaskFillValue fill) {
  const int merge = grid.merge_size, in_block = blockIdx.x % (merge * merge), block = blockIdx.x / (merge * merge);
  const int blocks_per_row = grid.cols / merge;
  const int row = block / blocks_per_row * merge + in_block / merge;
  const int col = block % blocks_per_row * merge + in_block % merge;
  if (!cells[row / grid.span * ceil_div(grid.cols, grid.span) + col / grid.span]) return;
  const int size = grid.patch_size, area = size * size, channel_values = grid.temporal_size * area;
  float* values = values_PF + static_cast<int64_t>(blockIdx.x) * 3 * channel_values;
  for (int i = threadIdx.x; i < area; i += blockDim.x) {
    float3 filled = make_float3(fill.value[0], fill.value[1], fill.value[2]);
    if (fill.noise) {
      const int64_t y = row * size + i / size, x = col * size + i % size;
      filled = noise_of(fill.noise_stream, y * (grid.cols * size) + x);
    }
    for (int time = 0; time < grid.temporal_size; ++time) {
      float* at = values + time * area + i;
      at[0] = filled.x;
      at[channel_values] = filled.y;
      at[2 * channel_values] = filled.z;
    }
  }
}

unsigned blocks_for(int64_t threads) { return static_cast<unsigned>(ceil_div(threads, int64_t{kThreads})); }

}  // namespace

PhiloxStream philox_stream(uint64_t seed, uint64_t purpose, const uint64_t* coordinates, int count) {
  uint64_t state = purpose;
  for (int i = 0; i < count; ++i) {
    const auto words = philox4x32(seed, state, coordinates[i]);
    state = (static_cast<uint64_t>(words[1]) << 32) | words[0];
  }
  return {seed, state};
}

cudaError_t patch_mask_cells(const PhiloxStream& cell_stream, double ratio, bool exact, int64_t count, uint64_t* draws,
                             uint8_t* cells, cudaStream_t stream) {
  if (!exact) return PAPO_LAUNCH(chance_kernel, blocks_for(count), kThreads, stream, cell_stream, ratio, count, cells);
  const cudaError_t error = PAPO_LAUNCH(draws_kernel, blocks_for(count), kThreads, stream, cell_stream, count, draws);
  if (error != cudaSuccess) return error;
  const auto num_dropped = static_cast<int64_t>(std::floor(ratio * static_cast<double>(count)));
  return PAPO_LAUNCH(smallest_kernel, blocks_for(count), kThreads, stream, draws, count, num_dropped, cells);
}

cudaError_t fill_patch_cells_(float* values_PF, const uint8_t* cells, const PatchGrid& grid, const MaskFillValue& fill,
                              cudaStream_t stream) {
  return PAPO_LAUNCH(patch_kernel, static_cast<unsigned>(grid.rows * grid.cols), kThreads, stream, values_PF, cells,
                     grid, fill);
}

KernelCost patch_mask_cells_cost(int64_t count, bool exact) {
  const auto cells = static_cast<double>(count);
  if (!exact) return {cells, 100 * cells};
  return {17 * cells, 100 * cells + 3 * cells * cells};
}
KernelCost fill_patch_cells_cost(const PatchGrid& grid, double dropped) {
  const double patches = static_cast<double>(grid.rows) * grid.cols;
  return {patches * (1 + dropped * 12 * grid.temporal_size * grid.patch_size * grid.patch_size), 0};
}

}  // namespace papo::kernels
