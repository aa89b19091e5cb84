#include "image/image.h"

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

void check_spec(const ImageSpec& spec) {
  check(spec.patch_size >= 1 && spec.temporal_patch_size >= 1 && spec.merge_size >= 1, kOp,
        "patch sizes: expected 1 or more", "E_VALUE");
  check(spec.patch_size * spec.merge_size <= 1024, kOp, "patch_size * merge_size: expected at most 1024", "E_VALUE");
  check(spec.min_pixels >= 1 && spec.max_pixels >= spec.min_pixels, kOp,
        "expected 1 <= min_pixels <= max_pixels, got " + std::to_string(spec.min_pixels) + " and " +
            std::to_string(spec.max_pixels),
        "E_VALUE");
  check(spec.trainer_min_pixels >= 0 && spec.trainer_max_pixels >= 0, kOp, "trainer pixel limits: expected 0 or more",
        "E_VALUE");
  check(spec.rescale > 0, kOp, "rescale: expected a number over 0", "E_VALUE");
  for (double std : spec.std) check(std > 0, kOp, "std: expected numbers over 0", "E_VALUE");
}

// One step of the reference's process_image: both sides times sqrt(limit / area), floored.
std::array<int64_t, 2> scale_to_area(int64_t height, int64_t width, int64_t limit) {
  const double factor = std::sqrt(static_cast<double>(limit) / static_cast<double>(width * height));
  const auto scaled = std::array{static_cast<int64_t>(static_cast<double>(height) * factor),
                                 static_cast<int64_t>(static_cast<double>(width) * factor)};
  check(scaled[0] >= 1 && scaled[1] >= 1, kOp,
        "a picture of " + std::to_string(width) + " x " + std::to_string(height) + " px has no side left at " +
            std::to_string(limit) + " px",
        "E_VALUE");
  return scaled;
}

void fill_picture_(at::Tensor& rgb_YX3, const ImageSpec& spec, const PatchMaskSpec& mask, const PatchMaskKey& key) {
  check(mask.patch_px >= 1, kOp, "patch_px: expected 1 or more, got " + std::to_string(mask.patch_px), "E_VALUE");
  const int64_t rows = (rgb_YX3.size(0) + mask.patch_px - 1) / mask.patch_px;
  const int64_t cols = (rgb_YX3.size(1) + mask.patch_px - 1) / mask.patch_px;
  fill_cells_(rgb_YX3, patch_mask_cells(mask, key, rows, cols), mask.patch_px, {mask.fill, spec.mean, spec.std}, key);
}

// Cuts patches, one call a patch, in the order that the merger wants: blocks of merge x merge patches, row-major.
class PatchPacker {
 public:
  PatchPacker(const Image& image, const at::Tensor& rgb_YX3, at::Tensor& values_PF)
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
  void pack(int64_t index) const {
    const auto [row, col] = place(index);
    write(index, [&](int channel, int64_t y, int64_t x) {
      return table_[channel][rgb_[((row * spec_.patch_size + y) * width_ + col * spec_.patch_size + x) * 3 + channel]];
    });
  }
  void fill(int64_t index, MaskFill fill, const MaskNoise& noise) const {
    if (fill == MaskFill::kBlack)
      return write(index, [&](int channel, int64_t, int64_t) { return table_[channel][0]; });
    if (fill == MaskFill::kMean) return write(index, [](int, int64_t, int64_t) { return 0.0f; });
    const auto [row, col] = place(index);
    std::vector<std::array<float, 3>> drawn(spec_.patch_size * spec_.patch_size);
    for (int64_t y = 0; y < spec_.patch_size; ++y) {
      for (int64_t x = 0; x < spec_.patch_size; ++x) {
        drawn[y * spec_.patch_size + x] =
            noise.pixel((row * spec_.patch_size + y) * width_ + col * spec_.patch_size + x);
      }
    }
    write(index, [&](int channel, int64_t y, int64_t x) { return drawn[y * spec_.patch_size + x][channel]; });
  }

 private:
  // Features are [channel, temporal, y, x]; a still picture fills both temporal halves alike.
  template <class Value>
  void write(int64_t index, Value value) const {
    auto* out = values_ + index * num_features_;
    const int64_t area = spec_.patch_size * spec_.patch_size;
    for (int channel = 0; channel < 3; ++channel) {
      auto* first = out + channel * spec_.temporal_patch_size * area;
      for (int64_t y = 0; y < spec_.patch_size; ++y) {
        for (int64_t x = 0; x < spec_.patch_size; ++x) first[y * spec_.patch_size + x] = value(channel, y, x);
      }
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

std::array<int64_t, 2> smart_resize(int64_t height, int64_t width, int64_t factor, int64_t min_pixels,
                                    int64_t max_pixels) {
  const auto h = static_cast<double>(height), w = static_cast<double>(width), f = static_cast<double>(factor);
  check(
      std::max(h, w) / std::min(h, w) <= 200, kOp,
      "expected an aspect ratio of at most 200, got " + std::to_string(width) + " x " + std::to_string(height) + " px",
      "E_VALUE");
  // nearbyint rounds halves to even, as Python's round.
  auto out_h = static_cast<int64_t>(std::nearbyint(h / f)) * factor;
  auto out_w = static_cast<int64_t>(std::nearbyint(w / f)) * factor;
  if (out_h * out_w > max_pixels) {
    const double beta = std::sqrt((h * w) / static_cast<double>(max_pixels));
    out_h = std::max(factor, static_cast<int64_t>(std::floor(h / beta / f)) * factor);
    out_w = std::max(factor, static_cast<int64_t>(std::floor(w / beta / f)) * factor);
  } else if (out_h * out_w < min_pixels) {
    const double beta = std::sqrt(static_cast<double>(min_pixels) / (h * w));
    out_h = static_cast<int64_t>(std::ceil(h * beta / f)) * factor;
    out_w = static_cast<int64_t>(std::ceil(w * beta / f)) * factor;
  }
  return {out_h, out_w};
}

ImagePlan plan_image(int64_t height, int64_t width, const ImageSpec& spec) {
  check_spec(spec);
  check(height >= 1 && width >= 1 && height <= 1 << 24 && width <= 1 << 24, kOp,
        "expected sides of 1 to 2^24 px, got " + std::to_string(width) + " x " + std::to_string(height), "E_VALUE");
  ImagePlan plan;
  std::array<int64_t, 2> size{height, width};
  const auto step = [&](int64_t limit) {
    size = scale_to_area(size[0], size[1], limit);
    plan.trainer_sizes.push_back(size);
  };
  if (spec.trainer_max_pixels > 0 && size[0] * size[1] > spec.trainer_max_pixels) step(spec.trainer_max_pixels);
  if (spec.trainer_min_pixels > 0 && size[0] * size[1] < spec.trainer_min_pixels) step(spec.trainer_min_pixels);
  const int64_t factor = spec.patch_size * spec.merge_size;
  size = smart_resize(size[0], size[1], factor, spec.min_pixels, spec.max_pixels);
  plan.resized_height = size[0];
  plan.resized_width = size[1];
  plan.grid_thw = {1, size[0] / spec.patch_size, size[1] / spec.patch_size};
  return plan;
}

Image make_image(at::Tensor rgb_YX3, const ImageSpec& spec) {
  check(rgb_YX3.dim() == 3 && rgb_YX3.size(2) == 3, kOp, "expected a picture [height, width, 3]");
  check(rgb_YX3.scalar_type() == at::kByte, kOp, "expected uint8 pixels", "E_DTYPE");
  const auto plan = plan_image(rgb_YX3.size(0), rgb_YX3.size(1), spec);
  return {rgb_YX3.contiguous(), spec, plan.grid_thw};
}

at::Tensor resized_rgb(const Image& image, const PatchMaskSpec* mask, const PatchMaskKey* key) {
  auto rgb_YX3 = image.rgb_YX3;
  if (mask && mask->mode == MaskMode::kRaw) {
    rgb_YX3 = rgb_YX3.clone();
    fill_picture_(rgb_YX3, image.spec, *mask, *key);
  }
  const auto plan = plan_image(rgb_YX3.size(0), rgb_YX3.size(1), image.spec);
  for (const auto& [height, width] : plan.trainer_sizes) rgb_YX3 = resize_pillow(rgb_YX3, height, width);
  return resize_rgb(rgb_YX3, plan.resized_height, plan.resized_width, image.spec.resample);
}

at::Tensor masked_rgb(const Image& image, const PatchMaskSpec& mask, const PatchMaskKey& key) {
  if (mask.mode == MaskMode::kPatch) patch_cell_grid(image, mask);  // checks patch_px
  auto rgb_YX3 = (mask.mode == MaskMode::kRaw ? image.rgb_YX3 : resized_rgb(image, nullptr, nullptr)).clone();
  fill_picture_(rgb_YX3, image.spec, mask, key);
  return rgb_YX3;
}

at::Tensor pixel_values(const Image& image, const PatchMaskSpec* mask, const PatchMaskKey* key) {
  const auto rgb_YX3 = resized_rgb(image, mask, key);
  const auto& spec = image.spec;
  const int64_t num_patches = image.grid_thw[1] * image.grid_thw[2];
  auto values_PF =
      at::empty({num_patches, 3 * spec.temporal_patch_size * spec.patch_size * spec.patch_size}, at::kFloat);
  const PatchPacker packer(image, rgb_YX3, values_PF);
  std::vector<uint8_t> cells;  // empty: nothing is dropped here
  CellGrid grid{0, 0, 1};
  if (mask && mask->mode == MaskMode::kPatch) {
    grid = patch_cell_grid(image, *mask);
    cells = patch_mask_cells(*mask, *key, grid.rows, grid.cols);
  }
  const MaskNoise noise(key ? *key : PatchMaskKey{});
  at::parallel_for(0, num_patches, 64, [&](int64_t from, int64_t to) {
    for (int64_t index = from; index < to; ++index) {
      const auto [row, col] = packer.place(index);
      const bool dropped = !cells.empty() && cells[row / grid.span * grid.cols + col / grid.span];
      if (dropped) {
        packer.fill(index, mask->fill, noise);
      } else {
        packer.pack(index);
      }
    }
  });
  return values_PF;
}

}  // namespace papo
