// Pictures that the decoder leaves in another mode, to RGB by Pillow's rules (Image.convert("RGB")).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace papo {

// cmyk: 4 bytes a pixel, 0 = no ink. Each channel is (255 - K) - C * (255 - K) / 255, rounded as Pillow does.
std::vector<uint8_t> cmyk_to_rgb(std::span<const uint8_t> cmyk);

// Modes I;16 and I: values over 255 are clipped, not scaled.
std::vector<uint8_t> grey16_to_rgb(std::span<const uint16_t> grey);

}  // namespace papo
