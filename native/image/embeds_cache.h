// What vision towers have made of a picture, kept with it from pass to pass and freed with it.
#pragma once

#include <memory>
#include <optional>

#include "core/torch_compat.h"
#include "image/patch_mask.h"

namespace papo {

// Of all pictures together: bytes kept, and how many may be. A picture that finds no room is encoded again: the first
// ones stay, because passes go through a batch in the same order.
struct EmbedsBudget {
  std::atomic<int64_t> kept{0};  // a picture may die on any thread
  int64_t limit = int64_t{1} << 30;
};
inline EmbedsBudget embeds_budget;

class EmbedsCache {
 public:
  // Embeddings [M, D] by the tower whose weights have this number (ParameterStore::version), of the plain picture
  // where mask is null; undefined when not kept.
  at::Tensor find(uint64_t weights, const PatchMask* mask) const;
  // Drops what other weights have made.
  void keep(uint64_t weights, const PatchMask* mask, const at::Tensor& embeds_MD);
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    Entry(uint64_t weights, const PatchMask* mask, const at::Tensor& embeds_MD);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    const uint64_t weights;
    const std::optional<PatchMask> mask;
    const at::Tensor embeds_MD;
  };
  std::vector<std::unique_ptr<const Entry>> entries_;  // of the same weights
};

}  // namespace papo
