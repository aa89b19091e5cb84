#include "image/embeds_cache.h"

namespace papo {
namespace {

int64_t bytes_of(const at::Tensor& tensor) { return static_cast<int64_t>(tensor.nbytes()); }

bool is_mask(const std::optional<PatchMask>& kept, const PatchMask* mask) {
  return mask == nullptr ? !kept.has_value() : kept == *mask;
}

}  // namespace

EmbedsCache::Entry::Entry(uint64_t weights, const PatchMask* mask, const at::Tensor& embeds_MD)
    : weights(weights), mask(mask == nullptr ? std::nullopt : std::optional(*mask)), embeds_MD(embeds_MD) {
  embeds_budget.kept += bytes_of(embeds_MD);
}

EmbedsCache::Entry::~Entry() { embeds_budget.kept -= bytes_of(embeds_MD); }

at::Tensor EmbedsCache::find(uint64_t weights, const PatchMask* mask) const {
  for (const auto& entry : entries_)
    if (entry->weights == weights && is_mask(entry->mask, mask)) return entry->embeds_MD;
  return {};
}

void EmbedsCache::keep(uint64_t weights, const PatchMask* mask, const at::Tensor& embeds_MD) {
  std::erase_if(entries_, [&](const auto& entry) { return entry->weights != weights; });
  if (embeds_budget.kept + bytes_of(embeds_MD) > embeds_budget.limit) return;
  entries_.push_back(std::make_unique<const Entry>(weights, mask, embeds_MD));
}

}  // namespace papo
