#include "image/saliency.h"

#include "core/error.h"

namespace papo {
namespace {

constexpr const char* kOp = "saliency";

}  // namespace

void check_ranking(const SaliencyRanking& ranking) {
  const auto& [rows, cols, order] = ranking;
  check(rows >= 1 && cols >= 1 && rows <= kMaxRankedPatches && rows * cols <= kMaxRankedPatches, kOp,
        "expected a grid of at most " + std::to_string(kMaxRankedPatches) + " patches, got " + std::to_string(cols) +
            " x " + std::to_string(rows),
        "E_VALUE");
  const auto count = static_cast<size_t>(rows * cols);
  check(order.size() == count, kOp,
        "expected an order of " + std::to_string(count) + " patches, got " + std::to_string(order.size()), "E_VALUE");
  std::vector<bool> seen(count);
  for (const auto patch : order) {
    check(patch < count && !seen[patch], kOp, "expected an order that has each patch once", "E_VALUE");
    seen[patch] = true;
  }
}

SaliencyRanking rank_patches(const at::Tensor& saliency_P, int64_t rows, int64_t cols) {
  check(rows * cols == saliency_P.numel(), kOp, "expected a saliency for each patch");
  check(rows * cols <= kMaxRankedPatches, kOp,
        "expected at most " + std::to_string(kMaxRankedPatches) + " patches, got " + std::to_string(rows * cols),
        "E_VALUE");
  check(saliency_P.isfinite().all().item<bool>(), kOp, "the model's attention is not finite", "E_VALUE");
  const auto values = saliency_P.to(at::kDouble).contiguous();
  const auto* saliency = values.const_data_ptr<double>();
  SaliencyRanking ranking{rows, cols, std::vector<uint16_t>(rows * cols)};
  std::iota(ranking.order.begin(), ranking.order.end(), uint16_t{0});
  std::stable_sort(ranking.order.begin(), ranking.order.end(),
                   [&](uint16_t a, uint16_t b) { return saliency[a] > saliency[b]; });
  return ranking;
}

std::vector<uint8_t> salient_cells(const SaliencyRanking& ranking, double ratio) {
  const auto count = static_cast<double>(ranking.order.size());
  std::vector<uint8_t> cells(ranking.order.size());
  const auto num_dropped = static_cast<size_t>(std::floor(ratio * count));
  for (size_t rank = 0; rank < num_dropped; ++rank) cells[ranking.order[rank]] = 1;
  return cells;
}

}  // namespace papo
