#include "model/qwen2_5_vl/mrope.h"

#include "core/error.h"

namespace papo::qwen2_5_vl {

RopePositions rope_positions(const std::vector<int64_t>& ids, const std::vector<GridThw>& images,
                             const std::vector<Video>& videos, const Config& config) {
  RopePositions out;
  out.rows.reserve(ids.size());
  out.next = 0;
  size_t image = 0, video = 0;
  const int64_t merge = config.vision.spatial_merge_size;
  for (size_t i = 0; i < ids.size();) {
    const bool is_image = ids[i] == config.image_token_id, is_video = ids[i] == config.video_token_id;
    if (!is_image && !is_video) {
      out.rows.push_back({out.next, out.next, out.next});
      ++out.next;
      ++i;
      continue;
    }
    check(is_image ? image < images.size() : video < videos.size(), "rope_positions",
          "more image tokens than the pictures' grids give");
    const auto& grid = is_image ? images[image] : videos[video].grid;
    const int64_t interval = is_image ? 1
                                      : static_cast<int64_t>(config.vision.tokens_per_second) *
                                            static_cast<int64_t>(videos[video].seconds_per_grid);
    ++(is_image ? image : video);
    const int64_t frames = grid[0], rows = grid[1] / merge, columns = grid[2] / merge;
    const size_t count = static_cast<size_t>(frames * rows * columns);
    check(i + count <= ids.size() &&
              std::all_of(ids.begin() + i, ids.begin() + i + count, [&](int64_t id) { return id == ids[i]; }),
          "rope_positions", "fewer image tokens than a picture's grid needs (" + std::to_string(count) + ")");
    for (int64_t t = 0; t < frames; ++t)
      for (int64_t y = 0; y < rows; ++y)
        for (int64_t x = 0; x < columns; ++x) out.rows.push_back({out.next + t * interval, out.next + y, out.next + x});
    out.next += std::max(rows, columns);
    i += count;
  }
  check(image == images.size(), "rope_positions",
        "the prompt has tokens for " + std::to_string(image) + " of " + std::to_string(images.size()) + " pictures");
  check(video == videos.size(), "rope_positions",
        "the prompt has tokens for " + std::to_string(video) + " of " + std::to_string(videos.size()) + " videos");
  return out;
}

std::vector<float> text_frequencies(const TextConfig& config) {
  std::vector<float> frequencies;
  for (int64_t i = 0; i < config.head_size / 2; ++i)
    frequencies.push_back(1.0f / std::pow(static_cast<float>(config.rope_theta),
                                          static_cast<float>(2 * i) / static_cast<float>(config.head_size)));
  return frequencies;
}

RopeTables text_rope(const std::vector<std::array<int64_t, 3>>& positions, const TextConfig& config,
                     at::ScalarType dtype) {
  RopeAngles angles{
      {},
      3,
      text_frequencies(config),
      {static_cast<int>(config.mrope_section[0]), static_cast<int>(config.mrope_section[0] + config.mrope_section[1])}};
  for (int axis = 0; axis < 3; ++axis)
    for (const auto& position : positions) angles.positions.push_back(static_cast<int32_t>(position[axis]));
  return rope_tables(angles, dtype);
}

}  // namespace papo::qwen2_5_vl
