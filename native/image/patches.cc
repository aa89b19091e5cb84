#include "image/patches.h"

#include "core/error.h"

namespace papo {
namespace {

constexpr const char* kOp = "image";

// What a byte of each channel becomes after rescaling and normalising.
using ByteTable = std::array<std::array<float, 256>, 3>;

// Source: transformers. The torchvision processor folds the rescale into mean and std (_fuse_mean_std_and_rescale_
// factor); the PIL one rescales in float64, then normalises in float32.
ByteTable normalised_bytes(const ImageSpec& spec) {
  ByteTable table;
  for (int channel = 0; channel < 3; ++channel) {
    const auto mean = static_cast<float>(spec.mean[channel]), std = static_cast<float>(spec.std[channel]);
    const auto scale = static_cast<float>(1.0 / spec.rescale);
    for (int byte = 0; byte < 256; ++byte) {
      table[channel][byte] = spec.resample == Resample::kTorchvision
                                 ? (static_cast<float>(byte) - mean * scale) / (std * scale)
                                 : (static_cast<float>(byte * spec.rescale) - mean) / std;
    }
  }
  return table;
}

// Cuts patches, one call a patch, in the order that the merger wants: blocks of merge x merge patches, row-major.
class PatchPacker {
 public:
  PatchPacker(const Image& image, const at::Tensor& rgb_YX3, const at::Tensor& values_PF)
      : spec_(image.spec),
        grid_width_(image.grid_thw[2]),
        width_(rgb_YX3.size(1)),
        table_(normalised_bytes(image.spec)),
        rgb_(rgb_YX3.const_data_ptr<uint8_t>()),
        values_(values_PF.data_ptr<float>()),
        num_features_(values_PF.size(1)) {}

  // Row and column of the index-th packed patch.
  std::array<int64_t, 2> place(int64_t index) const {
    const int64_t merge = spec_.merge_size, in_block = index % (merge * merge), block = index / (merge * merge);
    const int64_t blocks_per_row = grid_width_ / merge;
    return {block / blocks_per_row * merge + in_block / merge, block % blocks_per_row * merge + in_block % merge};
  }
  // A table look-up a byte, which is within a third of only writing the patches.
  void pack(int64_t index) const {
    const auto [row, col] = place(index);
    const int64_t side = spec_.patch_size;
    const auto* corner = rgb_ + (row * side * width_ + col * side) * 3;
    float* out = values_ + index * num_features_;
    for (int channel = 0; channel < 3; ++channel, out += num_features_ / 3) {
      const auto& table = table_[channel];
      for (int64_t y = 0; y < side; ++y)
        for (int64_t x = 0; x < side; ++x) out[y * side + x] = table[corner[(y * width_ + x) * 3 + channel]];
    }
    repeat_frames(values_ + index * num_features_);
  }
  void fill(int64_t index, const std::array<float, 3>& value) const {
    float* out = values_ + index * num_features_;
    for (int channel = 0; channel < 3; ++channel, out += num_features_ / 3)
      std::fill_n(out, num_features_ / 3, value[channel]);
  }
  void draw(int64_t index, const MaskNoise& noise) const {
    const auto [row, col] = place(index);
    const int64_t side = spec_.patch_size;
    float* out = values_ + index * num_features_;
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        const auto drawn = noise.pixel((row * side + y) * width_ + col * side + x);
        for (int channel = 0; channel < 3; ++channel) out[channel * num_features_ / 3 + y * side + x] = drawn[channel];
      }
    }
    repeat_frames(out);
  }

 private:
  // Features are [channel, temporal, y, x]; the frames of a still picture are alike.
  void repeat_frames(float* patch) const {
    const int64_t area = spec_.patch_size * spec_.patch_size;
    for (int channel = 0; channel < 3; ++channel) {
      float* first = patch + channel * spec_.temporal_patch_size * area;
      for (int64_t time = 1; time < spec_.temporal_patch_size; ++time) std::copy_n(first, area, first + time * area);
    }
  }
  const ImageSpec& spec_;
  int64_t grid_width_, width_;
  ByteTable table_;
  const uint8_t* rgb_;
  float* values_;
  int64_t num_features_;
};

}  // namespace

CellGrid patch_cell_grid(const Image& image, const PatchMaskSpec& mask) {
  check(mask.strategy == MaskStrategy::kRandom, kOp, "masks by saliency: expected mode raw", "E_VALUE");
  const int64_t patch = image.spec.patch_size;
  check(mask.patch_px >= patch && mask.patch_px % patch == 0, kOp,
        "patch_px: expected a multiple of the model's patch size " + std::to_string(patch) + ", got " +
            std::to_string(mask.patch_px),
        "E_VALUE");
  const int64_t span = mask.patch_px / patch;
  return {(image.grid_thw[1] + span - 1) / span, (image.grid_thw[2] + span - 1) / span, span};
}

std::array<float, 3> fill_value(const ImageSpec& spec, MaskFill fill) {
  if (fill != MaskFill::kBlack) return {};
  const auto table = normalised_bytes(spec);
  return {table[0][0], table[1][0], table[2][0]};
}

int64_t num_patches(const Image& image) { return image.grid_thw[0] * image.grid_thw[1] * image.grid_thw[2]; }

int64_t patch_numel(const ImageSpec& spec) { return 3 * spec.temporal_patch_size * spec.patch_size * spec.patch_size; }

void write_patches(const Image& image, const PatchMask* mask, const at::Tensor& values_PF) {
  check(values_PF.size(0) == num_patches(image) && values_PF.size(1) == patch_numel(image.spec), kOp,
        "expected patches of " + std::to_string(values_PF.size(1)) + " numbers, got a picture whose patches have " +
            std::to_string(patch_numel(image.spec)));
  const auto rgb_YX3 = resized_rgb(image, mask);
  const PatchPacker packer(image, rgb_YX3, values_PF);
  std::vector<uint8_t> cells;  // empty: nothing is dropped here
  CellGrid grid{0, 0, 1};
  if (mask != nullptr && mask->spec.mode == MaskMode::kPatch) {
    grid = patch_cell_grid(image, mask->spec);
    cells = patch_mask_cells(mask->spec, mask->key, grid.rows, grid.cols);
  }
  const auto value = fill_value(image.spec, mask != nullptr ? mask->spec.fill : MaskFill::kBlack);
  const MaskNoise noise(mask != nullptr ? mask->key : PatchMaskKey{});
  at::parallel_for(0, num_patches(image), 64, [&](int64_t from, int64_t to) {
    for (int64_t index = from; index < to; ++index) {
      const auto [row, col] = packer.place(index);
      if (cells.empty() || !cells[row / grid.span * grid.cols + col / grid.span])
        packer.pack(index);
      else if (mask->spec.fill == MaskFill::kNoise)
        packer.draw(index, noise);
      else
        packer.fill(index, value);
    }
  });
}

at::Tensor pixel_values(const Image& image, const PatchMask* mask) {
  auto values_PF = at::empty({num_patches(image), patch_numel(image.spec)}, at::kFloat);
  write_patches(image, mask, values_PF);
  return values_PF;
}

}  // namespace papo
