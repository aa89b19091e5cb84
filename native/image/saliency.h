// Masks by saliency: the patches of a picture from the most to the least salient, of which a mask takes the first.
#pragma once

#include <cstdint>
#include <vector>

#include "core/torch_compat.h"

namespace papo {

// Patches of a grid that is stretched over the picture. Patch numbers are row-major and fit 16 bits.
struct SaliencyRanking {
  int64_t rows = 0, cols = 0;
  std::vector<uint16_t> order;  // [rows * cols] each patch once, the most salient first
};

inline constexpr int64_t kMaxRankedPatches = int64_t{1} << 16;

// E_VALUE for more than kMaxRankedPatches patches, or when a patch is not there exactly once.
void check_ranking(const SaliencyRanking& ranking);

// By falling saliency [rows * cols]; of equal ones the first patch first. E_VALUE for a saliency that is not finite.
SaliencyRanking rank_patches(const at::Tensor& saliency_P, int64_t rows, int64_t cols);

// 1 = dropped, row-major: floor(ratio * patches) of them, the most salient.
std::vector<uint8_t> salient_cells(const SaliencyRanking& ranking, double ratio);

}  // namespace papo
