// Three-row rotary positions (temporal, height, width) of a prompt and its responses.
#pragma once

#include "core/torch_compat.h"
#include "model/qwen2_5_vl/config.h"

namespace papo::qwen2_5_vl {

// Patches before the 2x2 merge: frames, rows, columns.
using GridThw = std::array<int64_t, 3>;

struct Media {
  GridThw grid;
  double seconds_per_frame_pair = 0;  // videos: seconds that one temporal patch covers; 0 for pictures
};

struct RopePositions {
  std::vector<std::array<int64_t, 3>> rows;  // per token
  int64_t next;                              // the position, on all three rows, of the token that follows
};

// Positions of `ids` whose image and video tokens are expanded to the merged grids, in order of appearance.
// Text counts up on all rows; a picture of merged grid (t, h, w) at offset p gives (t * seconds * tokens_per_second,
// row, column) + p; text goes on at the largest position + 1. As transformers' Qwen2_5_VLModel.get_rope_index.
// Throws E_SHAPE when the tokens and the grids do not match.
RopePositions rope_positions(const std::vector<int64_t>& ids, const std::vector<Media>& images,
                             const std::vector<Media>& videos, const Config& config);

struct RopeTables {
  at::Tensor cos_TE, sin_TE;
};

// cos and sin of the text model: the first half of E takes frequency i from the row of its mrope section, the second
// half repeats it.
RopeTables text_rope(const std::vector<std::array<int64_t, 3>>& positions, const TextConfig& config,
                     at::ScalarType dtype);

}  // namespace papo::qwen2_5_vl
