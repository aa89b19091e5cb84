// Patch masks: which cells of a picture are dropped and what fills them. A cell is a pure function of its key.
#pragma once

#include <cstdint>
#include <vector>

#include "core/philox.h"
#include "core/torch_compat.h"

namespace papo {

// kRaw: cells from the top-left of the decoded picture, before any resize, edge cells cropped (as published).
// kPatch: cells aligned to the model's patches on the resized picture.
enum class MaskMode { kRaw, kPatch };

// What a dropped pixel becomes: kBlack 0 before normalising, kMean 0 after it, kNoise N(0, 1) after it. In pictures of
// bytes (raw mode) mean and noise are rounded to the nearest byte, noise clamped to [0, 255].
enum class MaskFill { kBlack, kMean, kNoise };

// Which cells are dropped: drawn ones, or the most salient patches of the picture's ranking (image/saliency.h), which
// are cells of their own, raw and of an exact share.
enum class MaskStrategy { kRandom, kSaliency };

struct PatchMaskSpec {
  MaskStrategy strategy = MaskStrategy::kRandom;
  MaskMode mode = MaskMode::kRaw;
  int64_t patch_px = 14;  // side of a cell; in kPatch mode a multiple of the model's patch size
  double ratio = 0.6;     // chance that a cell is dropped, or their share when exact
  bool exact = false;     // exactly floor(ratio * cells) cells, those with the smallest draws
  MaskFill fill = MaskFill::kBlack;

  bool operator==(const PatchMaskSpec&) const = default;
};

struct PatchMaskKey {
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t example_hash = 0;  // hash_id of the example id
  uint64_t image_index = 0;
  uint64_t response_index = 0;  // 0 when the responses of a prompt share the mask

  bool operator==(const PatchMaskKey&) const = default;
};

struct PatchMask {
  PatchMaskSpec spec;
  PatchMaskKey key;

  bool operator==(const PatchMask&) const = default;
};

// Throws E_VALUE for a ratio outside [0, 1].
void check_ratio(const PatchMaskSpec& spec);

// 1 = dropped, row-major [rows * cols].
std::vector<uint8_t> patch_mask_cells(const PatchMaskSpec& spec, const PatchMaskKey& key, int64_t rows, int64_t cols);

// N(0, 1) fill: three channel values of a pixel, a function of (key, row-major pixel) alone.
class MaskNoise {
 public:
  explicit MaskNoise(const PatchMaskKey& key);
  std::array<float, 3> pixel(uint64_t index) const;

 private:
  RandomStream stream_;
};

// Mean and std per channel on the [0, 1] scale, which turn fills into bytes.
struct ByteFill {
  MaskFill fill = MaskFill::kBlack;
  std::array<double, 3> mean{}, std{};
};

// Where cells begin and end, in pixels: row r is [rows[r], rows[r + 1]), from 0 to the height; columns likewise.
struct CellEdges {
  std::vector<int64_t> rows, cols;

  // patch_px square from the top-left, those at the far edges cropped. E_VALUE for less than a pixel.
  static CellEdges squares(int64_t height, int64_t width, int64_t patch_px);
  // A grid stretched over the picture: row r begins at floor(r * height / num_rows).
  static CellEdges stretched(int64_t height, int64_t width, int64_t num_rows, int64_t num_cols);

  int64_t num_rows() const { return static_cast<int64_t>(rows.size()) - 1; }
  int64_t num_cols() const { return static_cast<int64_t>(cols.size()) - 1; }
};

// Overwrites the dropped cells of rgb_YX3 (uint8, contiguous) in place.
void fill_cells_(at::Tensor& rgb_YX3, const std::vector<uint8_t>& cells, const CellEdges& edges, const ByteFill& fill,
                 const PatchMaskKey& key);

}  // namespace papo
