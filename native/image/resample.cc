#include "image/resample.h"

#include "core/error.h"

namespace papo {
namespace {

constexpr const char* kOp = "resize";
constexpr int kPrecisionBits = 32 - 8 - 2;  // 8 bits of result, 2 of headroom for negative lobes
constexpr double kSupport = 2.0;

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// The input span and fixed-point weights of every output position along one axis.
struct Taps {
  int64_t stride;               // weights kept per output position
  std::vector<int64_t> first;   // [out] first input position
  std::vector<int64_t> count;   // [out] number of input positions
  std::vector<int32_t> weight;  // [out * stride]
};

Taps make_taps(int64_t in_size, int64_t out_size) {
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0), support = kSupport * filter_scale, inverse = 1.0 / filter_scale;
  Taps taps{static_cast<int64_t>(std::ceil(support)) * 2 + 1, {}, {}, {}};
  taps.first.resize(out_size);
  taps.count.resize(out_size);
  taps.weight.assign(out_size * taps.stride, 0);
  std::vector<double> exact(taps.stride);
  for (int64_t out = 0; out < out_size; ++out) {
    const double center = (static_cast<double>(out) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const auto end = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in_size);
    double total = 0;
    for (int64_t tap = 0; tap < end - first; ++tap) {
      exact[tap] = bicubic((static_cast<double>(tap + first) - center + 0.5) * inverse);
      total += exact[tap];
    }
    taps.first[out] = first;
    taps.count[out] = end - first;
    for (int64_t tap = 0; tap < end - first; ++tap) {
      const double share = total == 0 ? exact[tap] : exact[tap] / total;
      const double fixed = share * (1 << kPrecisionBits);
      taps.weight[out * taps.stride + tap] = static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
  }
  return taps;
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

at::Tensor resize_rows(const at::Tensor& rgb_YX3, int64_t out_width) {
  const int64_t height = rgb_YX3.size(0), width = rgb_YX3.size(1);
  auto result = at::empty({height, out_width, 3}, at::kByte);
  const auto taps = make_taps(width, out_width);
  const auto* source = rgb_YX3.const_data_ptr<uint8_t>();
  auto* target = result.data_ptr<uint8_t>();
  at::parallel_for(0, height, 16, [&](int64_t from, int64_t to) {
    for (int64_t y = from; y < to; ++y) {
      for (int64_t x = 0; x < out_width; ++x) {
        const auto* pixel = source + (y * width + taps.first[x]) * 3;
        const auto* weight = taps.weight.data() + x * taps.stride;
        int32_t red = 1 << (kPrecisionBits - 1), green = red, blue = red;
        for (int64_t tap = 0; tap < taps.count[x]; ++tap, pixel += 3) {
          red += pixel[0] * weight[tap];
          green += pixel[1] * weight[tap];
          blue += pixel[2] * weight[tap];
        }
        auto* out = target + (y * out_width + x) * 3;
        out[0] = to_byte(red);
        out[1] = to_byte(green);
        out[2] = to_byte(blue);
      }
    }
  });
  return result;
}

at::Tensor resize_columns(const at::Tensor& rgb_YX3, int64_t out_height) {
  const int64_t height = rgb_YX3.size(0), row_bytes = rgb_YX3.size(1) * 3;
  auto result = at::empty({out_height, rgb_YX3.size(1), 3}, at::kByte);
  const auto taps = make_taps(height, out_height);
  const auto* source = rgb_YX3.const_data_ptr<uint8_t>();
  auto* target = result.data_ptr<uint8_t>();
  at::parallel_for(0, out_height, 16, [&](int64_t from, int64_t to) {
    std::vector<int32_t> sums(row_bytes);
    for (int64_t y = from; y < to; ++y) {
      std::fill(sums.begin(), sums.end(), 1 << (kPrecisionBits - 1));
      for (int64_t tap = 0; tap < taps.count[y]; ++tap) {
        const auto* row = source + (taps.first[y] + tap) * row_bytes;
        const int32_t weight = taps.weight[y * taps.stride + tap];
        for (int64_t byte = 0; byte < row_bytes; ++byte) sums[byte] += row[byte] * weight;
      }
      for (int64_t byte = 0; byte < row_bytes; ++byte) target[y * row_bytes + byte] = to_byte(sums[byte]);
    }
  });
  return result;
}

at::Tensor resize_torchvision(const at::Tensor& rgb_YX3, int64_t height, int64_t width) {
  // [1, 3, Y, X] as a view of interleaved bytes: channels_last, the layout its vector code wants.
  const auto source = rgb_YX3.permute({2, 0, 1}).unsqueeze(0);
  const auto resized = at::_upsample_bicubic2d_aa(source, {height, width}, /*align_corners=*/false);
  return resized.squeeze(0).permute({1, 2, 0}).contiguous();
}

}  // namespace

at::Tensor resize_pillow(const at::Tensor& rgb_YX3, int64_t height, int64_t width) {
  auto result = rgb_YX3;
  const bool changes_rows = height != result.size(0);
  // Pillow 12 (Image.resize) shortens a picture over 100 times taller than wide first.
  const bool rows_first = result.size(0) > 100 * result.size(1) && height < result.size(0);
  if (rows_first) result = resize_columns(result, height);
  if (width != result.size(1)) result = resize_rows(result, width);
  if (changes_rows && !rows_first) result = resize_columns(result, height);
  return result;
}

at::Tensor resize_rgb(const at::Tensor& rgb_YX3, int64_t height, int64_t width, Resample resample) {
  check(height >= 1 && width >= 1, kOp, "expected a target of 1 x 1 pixel or more", "E_VALUE");
  if (height == rgb_YX3.size(0) && width == rgb_YX3.size(1)) return rgb_YX3;
  return resample == Resample::kPillow ? resize_pillow(rgb_YX3, height, width)
                                       : resize_torchvision(rgb_YX3, height, width);
}

}  // namespace papo
