// Pictures on their way to the model: decoded RGB bytes -> [patch mask in raw mode] -> the trainer's own resize ->
// smart_resize -> normalise -> patches -> [patch mask in patch mode].
#pragma once

#include "core/torch_compat.h"
#include "image/patch_mask.h"
#include "image/resample.h"

namespace papo {

// How a checkpoint's processor and the run's data settings want pictures.
struct ImageSpec {
  int64_t patch_size = 14, temporal_patch_size = 2, merge_size = 2;
  std::array<double, 3> mean{}, std{};
  double rescale = 1 / 255.;
  int64_t min_pixels = 0, max_pixels = 0;                  // the processor's own limits (smart_resize)
  int64_t trainer_min_pixels = 0, trainer_max_pixels = 0;  // the trainer's resize before it; 0 = none
  Resample resample = Resample::kTorchvision;
};

// The sizes a picture goes through; needs no pixels.
struct ImagePlan {
  std::vector<std::array<int64_t, 2>> trainer_sizes;  // [height, width] of zero to two resizes, in order
  int64_t resized_height = 0, resized_width = 0;      // what the model sees
  std::array<int64_t, 3> grid_thw{};                  // patches before the merge
};

// The size the processor resizes to: sides rounded to the factor, the area brought within the limits, aspect kept.
// Source: transformers, models/qwen2_vl, smart_resize. E_VALUE when one side is over 200 times the other.
std::array<int64_t, 2> smart_resize(int64_t height, int64_t width, int64_t factor, int64_t min_pixels,
                                    int64_t max_pixels);

ImagePlan plan_image(int64_t height, int64_t width, const ImageSpec& spec);

struct Image {
  at::Tensor rgb_YX3;  // uint8, decoded, before any resize
  ImageSpec spec;
  std::array<int64_t, 3> grid_thw;
};

// Checks the picture and the spec, and plans.
Image make_image(at::Tensor rgb_YX3, const ImageSpec& spec);

// The bytes that the model's patches are cut from; a raw-mode mask is applied, a patch-mode one is not.
// mask and key are both null for the plain picture.
at::Tensor resized_rgb(const Image& image, const PatchMaskSpec* mask, const PatchMaskKey* key);

// The masked picture to look at: at its own size in raw mode, resized in patch mode.
at::Tensor masked_rgb(const Image& image, const PatchMaskSpec& mask, const PatchMaskKey& key);

// The model's input: float32 [P, 3 * temporal * patch * patch], patches in merge-block order.
at::Tensor pixel_values(const Image& image, const PatchMaskSpec* mask, const PatchMaskKey* key);

// Rows and columns of a patch-mode mask over the model's grid, and how many patches a cell spans. E_VALUE for a
// patch_px that is no multiple of the model's patch size.
struct CellGrid {
  int64_t rows, cols, span;
};
CellGrid patch_cell_grid(const Image& image, const PatchMaskSpec& mask);

// What a dropped pixel of each channel becomes in the model's input; noise is not here.
std::array<float, 3> fill_value(const ImageSpec& spec, MaskFill fill);

// Masks packed patches on their device, as pixel_values does with a patch-mode mask.
void mask_patches_device_(const at::Tensor& values_PF, const Image& image, const PatchMaskSpec& mask,
                          const PatchMaskKey& key);

}  // namespace papo
