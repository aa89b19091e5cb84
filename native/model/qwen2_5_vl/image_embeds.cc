#include "model/qwen2_5_vl/image_embeds.h"

#include "image/patches.h"
#include "model/qwen2_5_vl/policy.h"

namespace papo {

using namespace qwen2_5_vl;

namespace {

bool trains_tower(const Policy& policy) { return policy.vision.patch_embed.value.requires_grad(); }

at::Tensor encode_alone(const Policy& policy, const ViewedImage& viewed) {
  at::NoGradGuard no_grad;
  const auto pixels = pack_pixels({viewed});
  return encode_images(pixels.values_PF, pixels.grids, policy.vision, policy.config.vision, /*num_recomputed=*/0);
}

std::vector<at::Tensor> encode_with_gradient(const Policy& policy, const std::vector<ViewedImage>& images,
                                             int64_t recomputed_blocks) {
  const auto pixels = pack_pixels(images);
  const auto embeds_MD =
      encode_images(pixels.values_PF, pixels.grids, policy.vision, policy.config.vision, recomputed_blocks);
  std::vector<int64_t> counts;
  for (const auto& viewed : images) counts.push_back(num_patches(*viewed.image) / policy.config.vision.merge_unit());
  return embeds_MD.split_with_sizes(counts);
}

}  // namespace

std::vector<ViewedImage> viewed_images(const ViewedPrompt& viewed) {
  const auto& [prompt, view] = viewed;
  std::vector<ViewedImage> images;
  for (size_t i = 0; i < prompt->images.size(); ++i) {
    images.push_back({prompt->images[i].get(), {}});
    if (view == nullptr) continue;
    images.back().mask = {
        view->mask,
        {view->seed, prompt->epoch, hash_id(prompt->example_id), i, static_cast<uint64_t>(view->response_index)}};
  }
  return images;
}

Pixels pack_pixels(const std::vector<ViewedImage>& images) {
  Pixels out;
  int64_t total = 0;
  for (const auto& [image, mask] : images) {
    out.grids.push_back(image->grid_thw);
    total += num_patches(*image);
  }
  // A device masks the packed patches; raw masks lie before the resize, which is the host's.
  const auto on_device = [](const std::optional<PatchMask>& mask) {
    return mask && mask->spec.mode == MaskMode::kPatch && runs_kernels(at::kFloat);
  };
  // Calls run(image, mask, its patches) for each picture.
  const auto each = [&](const at::Tensor& values_PF, auto run) {
    int64_t begin = 0;
    for (const auto& [image, mask] : images) {
      run(*image, mask, values_PF.narrow(0, begin, num_patches(*image)));
      begin += num_patches(*image);
    }
  };
  const auto host_PF = at::empty({total, patch_numel(images.front().image->spec)}, at::kFloat);
  each(host_PF, [&](const Image& image, const std::optional<PatchMask>& mask, const at::Tensor& patches) {
    poll_cancel();
    write_patches(image, mask && !on_device(mask) ? &*mask : nullptr, patches);
  });
  out.values_PF = to_device(host_PF);
  each(out.values_PF, [&](const Image& image, const std::optional<PatchMask>& mask, const at::Tensor& patches) {
    if (on_device(mask)) mask_patches_device_(patches, image, *mask);
  });
  return out;
}

std::vector<at::Tensor> embed_images(const Policy& policy, const std::vector<ViewedImage>& images,
                                     int64_t recomputed_blocks) {
  if (images.empty()) return {};
  const bool with_gradient = at::GradMode::is_enabled();
  if (with_gradient && trains_tower(policy)) return encode_with_gradient(policy, images, recomputed_blocks);
  const auto weights = policy.store.version(kVisionPart);
  std::vector<at::Tensor> out;
  for (const auto& viewed : images) {
    const auto* mask = viewed.mask ? &*viewed.mask : nullptr;
    auto& cache = viewed.image->embeds;
    auto embeds_MD = cache.find(weights, mask);
    if (!embeds_MD.defined()) {
      embeds_MD = encode_alone(policy, viewed);
      if (policy.options.trained && (mask == nullptr || with_gradient)) cache.keep(weights, mask, embeds_MD);
    }
    out.push_back(embeds_MD);
  }
  return out;
}

void drop_stale_embeds(const Policy& policy, const GroupBatch& batch) {
  if (!trains_tower(policy)) return;
  for (const auto& group : batch.groups)
    for (const auto& image : group.prompt.images) image->embeds.clear();
}

bool share_vision_tower(Policy& policy, const Policy& other) {
  return policy.options.device == other.options.device && policy.config.vision == other.config.vision &&
         policy.store.share_version(other.store, kVisionPart);
}

}  // namespace papo
