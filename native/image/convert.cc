#include "image/convert.h"

#include <algorithm>

namespace papo {

std::vector<uint8_t> cmyk_to_rgb(std::span<const uint8_t> cmyk) {
  std::vector<uint8_t> rgb(cmyk.size() / 4 * 3);
  for (size_t pixel = 0; pixel < cmyk.size() / 4; ++pixel) {
    const int white = 255 - cmyk[pixel * 4 + 3];
    for (size_t channel = 0; channel < 3; ++channel) {
      const int product = cmyk[pixel * 4 + channel] * white + 128;
      rgb[pixel * 3 + channel] = static_cast<uint8_t>(std::clamp(white - (((product >> 8) + product) >> 8), 0, 255));
    }
  }
  return rgb;
}

std::vector<uint8_t> grey16_to_rgb(std::span<const uint16_t> grey) {
  std::vector<uint8_t> rgb(grey.size() * 3);
  for (size_t pixel = 0; pixel < grey.size(); ++pixel) {
    std::fill_n(rgb.begin() + static_cast<ptrdiff_t>(pixel * 3), 3,
                static_cast<uint8_t>(std::min<int>(grey[pixel], 255)));
  }
  return rgb;
}

}  // namespace papo
