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

MaskFillValue noise_fill() {
  return {true, device_stream(Purpose::kMaskNoise), {}, {0.48, 0.45, 0.41}, {0.27, 0.26, 0.28}};
}

}  // namespace

PAPO_CASE("patch_mask: cells are those of the host, by chance and exact") {
  for (const int64_t count : {1, 7, 37, 256, 1000}) {
    for (const double ratio : {0.0, 0.3, 0.6, 1.0}) {
      for (const bool exact : {false, true})
        expect(cells_of(ratio, exact, count) == expected_cells(ratio, exact, count), "the host's cells");
    }
  }
}
PAPO_CASE("patch_mask: a picture's dropped cells turn black, mean or noise, others stay") {
  for (const auto& [height, width, patch] : {std::array{1, 1, 14}, std::array{37, 111, 14}, std::array{28, 29, 7}}) {
    const int rows = ceil_div(height, patch), cols = ceil_div(width, patch);
    const auto cells = cells_of(0.6, false, rows * cols);
    std::vector<uint8_t> picture(height * width * 3);
    for (size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<uint8_t>(i * 31 % 255 + 1);
    MaskFillValue black, mean, noise = noise_fill();
    std::copy_n(std::array{122.f, 116.f, 104.f}.begin(), 3, mean.value);
    for (const auto* fill : {&black, &mean, &noise}) {
      auto rgb = picture;
      expect_launched(fill_picture_cells_(rgb.data(), cells.data(), patch, *fill, height, width, nullptr));
      for (int i = 0; i < height * width * 3; ++i) {
        const int pixel = i / 3, channel = i % 3, y = pixel / width, x = pixel % width;
        double expected = picture[i];
        if (cells[y / patch * cols + x / patch]) {
          expected = fill->value[channel];
          if (fill->noise) {
            const double unit = fill->mean[channel] + fill->std[channel] * expected_noise(pixel)[channel];
            expected = std::clamp(std::nearbyint(unit * 255.0), 0.0, 255.0);
          }
        }
        expect(rgb[i] == expected, "byte " + std::to_string(i) + " as the host's");
      }
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
