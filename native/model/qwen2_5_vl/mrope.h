// Three-row rotary positions (temporal, height, width) of a prompt and its responses.
#pragma once

#include "core/torch_compat.h"
#include "model/qwen2_5_vl/config.h"
#include "ops/rope.h"

namespace papo::qwen2_5_vl {

// Patches before the 2x2 merge: frames, rows, columns.
using GridThw = std::array<int64_t, 3>;

struct Video {
  GridThw grid;
  double seconds_per_grid = 1;  // that one temporal patch covers
};

struct RopePositions {
  std::vector<std::array<int64_t, 3>> rows;  // per token
  int64_t next;                              // the position, on all three rows, of the token that follows
};

// Positions of `ids` whose image and video tokens are expanded to the merged grids, in order of appearance.
// Text counts up on all rows; the cell (t, row, column) of a merged picture at offset p is (t, row, column) + p, that
// of a video (t * tokens_per_second * whole seconds, row, column) + p. Text goes on at p + the larger of rows and
// columns, also behind a video whose time has gone further. As get_rope_index of transformers 5.17's
// modeling_qwen2_5_vl. The published code differs for videos: it multiplies before it rounds down, and goes on at the
// largest position + 1. The golden data has no video. Throws E_SHAPE when the tokens and the grids do not match.
RopePositions rope_positions(const std::vector<int64_t>& ids, const std::vector<GridThw>& images,
                             const std::vector<Video>& videos, const Config& config);

// How fast each of the first E / 2 numbers of a head turns: 1 / theta^(2i / E), float32 as in transformers.
std::vector<float> text_frequencies(const TextConfig& config);

// cos and sin of the text model: the first half of E takes frequency i from the row of its mrope section, the second
// half repeats it.
RopeTables text_rope(const std::vector<std::array<int64_t, 3>>& positions, const TextConfig& config,
                     at::ScalarType dtype);

}  // namespace papo::qwen2_5_vl
