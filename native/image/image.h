// Pictures on their way to the model: decoded RGB bytes -> [patch mask in raw mode] -> the trainer's own resize ->
// smart_resize. The rest of the way, normalised patches, is patches.h.
#pragma once

#include "core/torch_compat.h"
#include "image/embeds_cache.h"
#include "image/resample.h"
#include "image/saliency.h"

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

// A decoded picture, and what passes have made of it: both are freed with it, and are the device thread's alone.
struct Image {
  // Checks the picture, the spec and the ranking, and plans.
  Image(at::Tensor rgb_YX3, const ImageSpec& spec, std::optional<SaliencyRanking> saliency = {});

  // The bytes that the model's patches are cut from, uint8 [resized height, resized width, 3]; resized at the first
  // call, rgb_YX3 itself where the size stays.
  const at::Tensor& resized() const;

  at::Tensor rgb_YX3;  // uint8, decoded, before any resize
  ImageSpec spec;
  std::optional<SaliencyRanking> saliency;  // needed by masks by saliency alone
  std::array<int64_t, 3> grid_thw;
  int64_t num_bytes;  // of the picture, once it has been resized
  mutable EmbedsCache embeds;

 private:
  mutable at::Tensor resized_YX3_;
};

// The bytes that patches are cut from; a raw-mode mask is applied, a patch-mode one is not. mask is null for the plain
// picture.
at::Tensor resized_rgb(const Image& image, const PatchMask* mask);

// The masked picture to look at: at its own size in raw mode, resized in patch mode.
at::Tensor masked_rgb(const Image& image, const PatchMask& mask);

}  // namespace papo
