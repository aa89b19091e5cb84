// Bicubic resizing of uint8 pictures [Y, X, 3], equal to the bit to the two libraries that Qwen2.5-VL is fed by.
#pragma once

#include "core/torch_compat.h"

namespace papo {

enum class Resample {
  kTorchvision,  // libtorch's uint8 antialiased bicubic, as transformers' default image processor
  kPillow,       // Pillow's 8-bit bicubic, as the PIL-backed processor and the trainer's own resize
};

// Pillow's Image.resize(BICUBIC): a horizontal, then a vertical pass (the other way round for very tall pictures), each
// rounded to uint8, with 22-bit fixed-point weights whose support grows with the reduction; a pass that keeps its size
// is left out.
at::Tensor resize_pillow(const at::Tensor& rgb_YX3, int64_t height, int64_t width);

at::Tensor resize_rgb(const at::Tensor& rgb_YX3, int64_t height, int64_t width, Resample resample);

}  // namespace papo
