// A resized picture -> normalised patches [P, F] float32, with [patch mask in patch mode]. F is 3 * temporal * patch *
// patch; patches come in merge-block order.
#pragma once

#include "image/image.h"

namespace papo {

int64_t num_patches(const Image& image);
int64_t patch_numel(const ImageSpec& spec);

// Writes the model's input into values_PF (contiguous, on the host). mask is null for the plain picture.
void write_patches(const Image& image, const PatchMask* mask, const at::Tensor& values_PF);
at::Tensor pixel_values(const Image& image, const PatchMask* mask);

// Rows and columns of a patch-mode mask over the model's grid, and how many patches a cell spans. E_VALUE for a
// patch_px that is no multiple of the model's patch size.
struct CellGrid {
  int64_t rows, cols, span;
};
CellGrid patch_cell_grid(const Image& image, const PatchMaskSpec& mask);

// What a dropped pixel of each channel becomes in the model's input; noise is not here.
std::array<float, 3> fill_value(const ImageSpec& spec, MaskFill fill);

// Masks packed patches on their device, as write_patches does with a patch-mode mask.
void mask_patches_device_(const at::Tensor& values_PF, const Image& image, const PatchMask& mask);

}  // namespace papo
