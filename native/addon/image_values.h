// JavaScript values -> picture structs; shared by the exports that take pictures or patch masks.
#pragma once

#include <napi.h>

#include "addon/handle.h"
#include "image/image.h"

namespace papo {

PAPO_HANDLE(Image, "image", 0x7061706f00000002, 0x696d616765000002);

// A number that is an integer of at most 2^53; E_VALUE otherwise.
int64_t to_int64(Napi::Value value, const char* name, const char* op);

Resample parse_resample(Napi::Value value);

// lib/native/binding.ts: ImageSpec
ImageSpec parse_image_spec(Napi::Value value);

// lib/native/binding.ts: SaliencyRanking; null or undefined give nothing.
std::optional<SaliencyRanking> parse_saliency_ranking(Napi::Value value);

// lib/native/binding.ts: PatchMask; null or undefined give nothing.
std::optional<PatchMask> parse_patch_mask(Napi::Value value);

}  // namespace papo
