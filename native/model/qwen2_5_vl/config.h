// Sizes of a Qwen2.5-VL, as its config.json names them. lib/policy/model-config.ts reads and checks the file.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace papo::qwen2_5_vl {

struct TextConfig {
  int64_t hidden_size, intermediate_size, num_layers, num_heads, num_kv_heads, head_size, vocab_size;
  double rms_norm_eps, rope_theta;
  std::array<int64_t, 3> mrope_section;  // temporal, height, width; sums to head_size / 2
  bool tie_word_embeddings;
};

struct VisionConfig {
  int64_t depth, hidden_size, num_heads, intermediate_size, out_hidden_size;
  int64_t patch_size, temporal_patch_size, spatial_merge_size, window_size, in_channels;
  double tokens_per_second;
  std::vector<int64_t> fullatt_block_indexes;

  int64_t patch_numel() const { return in_channels * temporal_patch_size * patch_size * patch_size; }
  int64_t merge_unit() const { return spatial_merge_size * spatial_merge_size; }
  // Else its attention stays within windows.
  bool has_full_attention(int64_t block) const {
    return std::find(fullatt_block_indexes.begin(), fullatt_block_indexes.end(), block) != fullatt_block_indexes.end();
  }
  bool operator==(const VisionConfig&) const = default;
};

struct Config {
  TextConfig text;
  VisionConfig vision;
  int64_t image_token_id, video_token_id, vision_start_token_id, vision_end_token_id;
};

}  // namespace papo::qwen2_5_vl
