// Compared with image/patch_mask.cc's rules written out on core/philox.h, because that file needs libtorch.
#include "kernels/patch_mask.cuh"

#include <algorithm>
#include <numbers>

#include "core/philox.h"
#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;
using papo::Purpose;
using papo::RandomStream;

namespace {

constexpr uint64_t kSeed = 0x123456789ABCDEFull;

RandomStream host_stream(Purpose purpose) { return RandomStream(kSeed, purpose, {seed(), 99, 1, 0}); }
PhiloxStream device_stream(Purpose purpose) {
  const uint64_t coordinates[] = {seed(), 99, 1, 0};
  return philox_stream(kSeed, static_cast<uint64_t>(purpose), coordinates, 4);
}

std::vector<uint8_t> expected_cells(double ratio, bool exact, int64_t count) {
  const auto stream = host_stream(Purpose::kPatchMask);
  std::vector<std::pair<double, int64_t>> draws(count);
  for (int64_t cell = 0; cell < count; ++cell) draws[cell] = {stream.uniform(cell), cell};
  std::vector<uint8_t> cells(count);
  if (exact) {
    std::sort(draws.begin(), draws.end());
    draws.resize(static_cast<size_t>(std::floor(ratio * static_cast<double>(count))));
  }
  for (const auto& [draw, cell] : draws) cells[cell] = exact || draw < ratio;
  return cells;
}
std::vector<uint8_t> cells_of(double ratio, bool exact, int64_t count) {
  std::vector<uint8_t> cells(count);
  std::vector<uint64_t> draws(count);
  expect_launched(patch_mask_cells(device_stream(Purpose::kPatchMask), ratio, exact, count,
                                   exact ? draws.data() : nullptr, cells.data(), nullptr));
  return cells;
}

std::array<float, 2> normal_pair(uint32_t first, uint32_t second) {
  const double radius = std::sqrt(-2.0 * std::log((first + 1.0) * 0x1.0p-32));
  const double angle = 2.0 * std::numbers::pi * (second * 0x1.0p-32);
  return {static_cast<float>(radius * std::cos(angle)), static_cast<float>(radius * std::sin(angle))};
}
std::array<float, 3> expected_noise(uint64_t pixel) {
  const auto words = host_stream(Purpose::kMaskNoise).block(pixel);
  const auto first = normal_pair(words[0], words[1]);
  return {first[0], first[1], normal_pair(words[2], words[3])[0]};
}

MaskFillValue noise_fill() { return {true, device_stream(Purpose::kMaskNoise), {}}; }

}  // namespace

PAPO_CASE("patch_mask: cells are those of the host, by chance and exact") {
  for (const int64_t count : {1, 7, 37, 256, 1000}) {
    for (const double ratio : {0.0, 0.3, 0.6, 1.0}) {
      for (const bool exact : {false, true})
        expect(cells_of(ratio, exact, count) == expected_cells(ratio, exact, count), "the host's cells");
    }
  }
}
PAPO_CASE("patch_mask: packed patches are filled where their cell is dropped, bit for bit") {
  for (const auto& grid : {PatchGrid{2, 2, 2, 14, 2, 1}, PatchGrid{6, 10, 2, 4, 2, 1}, PatchGrid{6, 10, 2, 3, 1, 4}}) {
    const int cell_cols = ceil_div(grid.cols, grid.span), cell_rows = ceil_div(grid.rows, grid.span);
    const auto cells = cells_of(0.5, true, cell_rows * cell_cols);
    const int area = grid.patch_size * grid.patch_size, features = 3 * grid.temporal_size * area;
    const auto values = normal(int64_t{grid.rows} * grid.cols * features, 5);
    MaskFillValue black, noise = noise_fill();
    std::copy_n(std::array{-1.79f, -1.75f, -1.48f}.begin(), 3, black.value);
    for (const auto* fill : {&black, &noise}) {
      auto filled = values;
      expect_launched(fill_patch_cells_(filled.data(), cells.data(), grid, *fill, nullptr));
      int patch = 0;  // in packed order
      for (int by = 0; by < grid.rows; by += grid.merge_size)
        for (int bx = 0; bx < grid.cols; bx += grid.merge_size)
          for (int row = by; row < by + grid.merge_size; ++row)
            for (int col = bx; col < bx + grid.merge_size; ++col, ++patch)
              for (int f = 0; f < features; ++f) {
                const int channel = f / (grid.temporal_size * area), y = f % area / grid.patch_size;
                const int x = f % grid.patch_size;
                const uint64_t pixel =
                    (row * grid.patch_size + y) * (grid.cols * grid.patch_size) + col * grid.patch_size + x;
                float expected = values[patch * features + f];
                if (cells[row / grid.span * cell_cols + col / grid.span])
                  expected = fill->noise ? expected_noise(pixel)[channel] : fill->value[channel];
                expect(filled[patch * features + f] == expected, "feature as the host's");
              }
    }
  }
}
