#include "image/patch_mask.h"

#include <numbers>

#include "core/error.h"

namespace papo {
namespace {

constexpr const char* kOp = "patch_mask";

RandomStream stream_of(const PatchMaskKey& key, Purpose purpose) {
  return RandomStream(key.seed, purpose, {key.epoch, key.example_hash, key.image_index, key.response_index});
}

// Two standard normals from two 32-bit words (Box-Muller); the first word is kept off zero.
std::array<float, 2> normal_pair(uint32_t first, uint32_t second) {
  const double radius = std::sqrt(-2.0 * std::log((first + 1.0) * 0x1.0p-32));
  const double angle = 2.0 * std::numbers::pi * (second * 0x1.0p-32);
  return {static_cast<float>(radius * std::cos(angle)), static_cast<float>(radius * std::sin(angle))};
}

uint8_t to_byte(double unit) { return static_cast<uint8_t>(std::clamp(std::nearbyint(unit * 255.0), 0.0, 255.0)); }

}  // namespace

void check_ratio(const PatchMaskSpec& spec) {
  check(spec.ratio >= 0 && spec.ratio <= 1, kOp, "ratio: expected 0 to 1, got " + std::to_string(spec.ratio),
        "E_VALUE");
}

std::vector<uint8_t> patch_mask_cells(const PatchMaskSpec& spec, const PatchMaskKey& key, int64_t rows, int64_t cols) {
  check(spec.strategy == MaskStrategy::kRandom, kOp, "cells of saliency are not drawn", "E_VALUE");
  check(rows >= 1 && cols >= 1, kOp, "expected one cell or more", "E_VALUE");
  check_ratio(spec);
  const int64_t count = rows * cols;
  const auto stream = stream_of(key, Purpose::kPatchMask);
  std::vector<double> draws(count);
  for (int64_t cell = 0; cell < count; ++cell) draws[cell] = stream.uniform(cell);
  std::vector<uint8_t> cells(count);
  if (!spec.exact) {
    for (int64_t cell = 0; cell < count; ++cell) cells[cell] = draws[cell] < spec.ratio;
    return cells;
  }
  const auto num_dropped = static_cast<int64_t>(std::floor(spec.ratio * static_cast<double>(count)));
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::nth_element(order.begin(), order.begin() + num_dropped, order.end(),
                   [&](int64_t a, int64_t b) { return std::pair(draws[a], a) < std::pair(draws[b], b); });
  for (int64_t rank = 0; rank < num_dropped; ++rank) cells[order[rank]] = 1;
  return cells;
}

MaskNoise::MaskNoise(const PatchMaskKey& key) : stream_(stream_of(key, Purpose::kMaskNoise)) {}

std::array<float, 3> MaskNoise::pixel(uint64_t index) const {
  const auto words = stream_.block(index);
  const auto first = normal_pair(words[0], words[1]);
  return {first[0], first[1], normal_pair(words[2], words[3])[0]};
}

CellEdges CellEdges::squares(int64_t height, int64_t width, int64_t patch_px) {
  check(patch_px >= 1, kOp, "patch_px: expected 1 or more, got " + std::to_string(patch_px), "E_VALUE");
  const auto edges = [&](int64_t side) {
    std::vector<int64_t> out;
    for (int64_t at = 0; at < side; at += patch_px) out.push_back(at);
    out.push_back(side);
    return out;
  };
  return {edges(height), edges(width)};
}

CellEdges CellEdges::stretched(int64_t height, int64_t width, int64_t num_rows, int64_t num_cols) {
  const auto edges = [](int64_t side, int64_t count) {
    std::vector<int64_t> out;
    for (int64_t cell = 0; cell <= count; ++cell) out.push_back(cell * side / count);
    return out;
  };
  return {edges(height, num_rows), edges(width, num_cols)};
}

void fill_cells_(at::Tensor& rgb_YX3, const std::vector<uint8_t>& cells, const CellEdges& edges, const ByteFill& fill,
                 const PatchMaskKey& key) {
  const int64_t width = rgb_YX3.size(1), num_cols = edges.num_cols();
  check(static_cast<int64_t>(cells.size()) == edges.num_rows() * num_cols, kOp,
        "expected " + std::to_string(edges.num_rows() * num_cols) + " cells, got " + std::to_string(cells.size()));
  std::array<uint8_t, 3> constant{};
  if (fill.fill == MaskFill::kMean)
    for (int channel = 0; channel < 3; ++channel) constant[channel] = to_byte(fill.mean[channel]);
  const MaskNoise noise(key);
  auto* rgb = rgb_YX3.data_ptr<uint8_t>();
  at::parallel_for(0, rgb_YX3.size(0), 64, [&](int64_t from, int64_t to) {
    auto value = constant;
    int64_t row = 0;
    for (int64_t y = from; y < to; ++y) {
      while (edges.rows[row + 1] <= y) ++row;
      const auto* row_cells = cells.data() + row * num_cols;
      for (int64_t col = 0; col < num_cols; ++col) {
        if (!row_cells[col]) continue;
        for (int64_t pixel = y * width + edges.cols[col]; pixel < y * width + edges.cols[col + 1]; ++pixel) {
          if (fill.fill == MaskFill::kNoise) {
            const auto values = noise.pixel(pixel);
            for (int channel = 0; channel < 3; ++channel)
              value[channel] = to_byte(fill.mean[channel] + fill.std[channel] * values[channel]);
          }
          std::copy_n(value.data(), 3, rgb + pixel * 3);
        }
      }
    }
  });
}

}  // namespace papo
