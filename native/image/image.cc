#include "image/image.h"

#include "core/error.h"
#include "image/patches.h"

namespace papo {
namespace {

constexpr const char* kOp = "image";
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

struct MaskCells {
  std::vector<uint8_t> cells;
  CellEdges edges;
};

MaskCells mask_cells(const Image& image, const at::Tensor& rgb_YX3, const PatchMask& mask) {
  const int64_t height = rgb_YX3.size(0), width = rgb_YX3.size(1);
  if (mask.spec.strategy == MaskStrategy::kRandom) {
    auto edges = CellEdges::squares(height, width, mask.spec.patch_px);
    auto cells = patch_mask_cells(mask.spec, mask.key, edges.num_rows(), edges.num_cols());
    return {std::move(cells), std::move(edges)};
  }
  check(image.saliency.has_value(), kOp, "a mask by saliency needs a picture with a ranking", "E_VALUE");
  check_ratio(mask.spec);
  return {salient_cells(*image.saliency, mask.spec.ratio),
          CellEdges::stretched(height, width, image.saliency->rows, image.saliency->cols)};
}

// The picture, decoded or resized, with its dropped cells filled.
at::Tensor fill_picture(const Image& image, const at::Tensor& rgb_YX3, const PatchMask& mask) {
  const auto [cells, edges] = mask_cells(image, rgb_YX3, mask);
  auto filled = rgb_YX3.clone();
  fill_cells_(filled, cells, edges, {mask.spec.fill, image.spec.mean, image.spec.std}, mask.key);
  return filled;
}

at::Tensor resize(const at::Tensor& rgb_YX3, const ImageSpec& spec) {
  const auto plan = plan_image(rgb_YX3.size(0), rgb_YX3.size(1), spec);
  auto resized = rgb_YX3;
  for (const auto& [height, width] : plan.trainer_sizes) resized = resize_pillow(resized, height, width);
  return resize_rgb(resized, plan.resized_height, plan.resized_width, spec.resample);
}

}  // namespace

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

Image::Image(at::Tensor rgb_YX3, const ImageSpec& spec, std::optional<SaliencyRanking> ranking)
    : rgb_YX3(rgb_YX3.contiguous()), spec(spec), saliency(std::move(ranking)) {
  check(rgb_YX3.dim() == 3 && rgb_YX3.size(2) == 3, kOp, "expected a picture [height, width, 3]");
  check(rgb_YX3.scalar_type() == at::kByte, kOp, "expected uint8 pixels", "E_DTYPE");
  if (saliency) check_ranking(*saliency);
  const auto plan = plan_image(rgb_YX3.size(0), rgb_YX3.size(1), spec);
  grid_thw = plan.grid_thw;
  const bool resizes =
      !plan.trainer_sizes.empty() || plan.resized_height != rgb_YX3.size(0) || plan.resized_width != rgb_YX3.size(1);
  num_bytes = rgb_YX3.numel() + (saliency ? static_cast<int64_t>(2 * saliency->order.size()) : 0) +
              (resizes ? plan.resized_height * plan.resized_width * 3 : 0);
}

const at::Tensor& Image::resized() const {
  if (!resized_YX3_.defined()) resized_YX3_ = resize(rgb_YX3, spec);
  return resized_YX3_;
}

at::Tensor resized_rgb(const Image& image, const PatchMask* mask) {
  if (mask == nullptr || mask->spec.mode == MaskMode::kPatch) return image.resized();
  return resize(fill_picture(image, image.rgb_YX3, *mask), image.spec);
}

at::Tensor masked_rgb(const Image& image, const PatchMask& mask) {
  if (mask.spec.mode == MaskMode::kRaw) return fill_picture(image, image.rgb_YX3, mask);
  patch_cell_grid(image, mask.spec);  // checks patch_px
  return fill_picture(image, image.resized(), mask);
}

}  // namespace papo
