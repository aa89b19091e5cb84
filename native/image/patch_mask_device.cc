#include "core/kernel_call.h"
#include "image/patches.h"
#include "kernels/patch_mask.cuh"

namespace papo {
namespace {

kernels::PhiloxStream stream_of(const PatchMaskKey& key, Purpose purpose) {
  const uint64_t coordinates[] = {key.epoch, key.example_hash, key.image_index, key.response_index};
  return kernels::philox_stream(key.seed, static_cast<uint64_t>(purpose), coordinates, 4);
}

}  // namespace

void mask_patches_device_(const at::Tensor& values_PF, const Image& image, const PatchMask& patch_mask) {
  const auto& [mask, key] = patch_mask;
  check_ratio(mask);
  const auto grid = patch_cell_grid(image, mask);
  const int64_t count = grid.rows * grid.cols;
  const auto cells = at::empty({count}, values_PF.options().dtype(at::kByte));
  const auto draws = at::empty({mask.exact ? count : 0}, values_PF.options().dtype(at::kLong));
  const auto stream = kernel_stream(values_PF);
  launched(kernels::patch_mask_cells(stream_of(key, Purpose::kPatchMask), mask.ratio, mask.exact, count,
                                     reinterpret_cast<uint64_t*>(kernel_data<int64_t>(draws)),
                                     kernel_data<uint8_t>(cells), stream),
           "patch_mask_cells");
  kernels::MaskFillValue fill;
  fill.noise = mask.fill == MaskFill::kNoise;
  if (fill.noise) fill.noise_stream = stream_of(key, Purpose::kMaskNoise);
  const auto value = fill_value(image.spec, mask.fill);
  std::copy(value.begin(), value.end(), fill.value);
  const kernels::PatchGrid patches{static_cast<int>(image.grid_thw[1]),
                                   static_cast<int>(image.grid_thw[2]),
                                   static_cast<int>(image.spec.merge_size),
                                   static_cast<int>(image.spec.patch_size),
                                   static_cast<int>(image.spec.temporal_patch_size),
                                   static_cast<int>(grid.span)};
  launched(
      kernels::fill_patch_cells_(kernel_data<float>(values_PF), kernel_data<uint8_t>(cells), patches, fill, stream),
      "fill_patch_cells_");
}

}  // namespace papo
