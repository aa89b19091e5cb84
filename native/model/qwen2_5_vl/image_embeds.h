// From the pictures of prompts to their embeddings: each picture in each view goes through the tower once for the
// weights that it has, wherever no gradient is wanted of them.
#pragma once

#include "model/batch.h"
#include "model/qwen2_5_vl/mrope.h"

namespace papo {

struct Policy;

struct ViewedPrompt {
  const PromptInput* prompt;
  const MaskedView* view;  // null: the plain pictures
};

struct ViewedImage {
  const Image* image;
  std::optional<PatchMask> mask;
};
std::vector<ViewedImage> viewed_images(const ViewedPrompt& prompt);

// Patches of pictures, one after the other.
struct Pixels {
  at::Tensor values_PF;  // float32 on the current device
  std::vector<qwen2_5_vl::GridThw> grids;
};
Pixels pack_pixels(const std::vector<ViewedImage>& images);

// Embeddings [M, D] of each picture. Without a gradient (of a frozen tower, or where none is asked for) each is encoded
// alone, so that it is the same, bit for bit, whatever else is in the pass and whether or not it was kept. A trained
// policy keeps them with the pictures: the plain ones, and in an update, which further epochs repeat, the masked ones.
// With one, the first recomputed_blocks of the tower run again in the backward pass.
std::vector<at::Tensor> embed_images(const Policy& policy, const std::vector<ViewedImage>& images,
                                     int64_t recomputed_blocks);

// Before an update: where the tower is trained too, it needs the activations of every picture, and then moves.
void drop_stale_embeds(const Policy& policy, const GroupBatch& batch);

// Whether both policies have the same vision tower, compared number by number; from then on, until one of them moves,
// what one has made of a picture is the other's as well.
bool share_vision_tower(Policy& policy, const Policy& other);

}  // namespace papo
