// Ops that are more than a function of their inputs, beside composed references: caches, an optimizer's state, random
// draws, and the head that forms its gradient in the forward pass.
#pragma once

#include "test/compare.h"

namespace papo {

OpPair head_gradient_pair(const OpSpec& spec);     // rows, width, vocab
OpPair decode_attention_pair(const OpSpec& spec);  // heads, kvHeads, headSize, and the groups; float32
OpPair adamw_pair(const OpSpec& spec);             // weights: how many; float32
OpPair sampler_pair(const OpSpec& spec);           // rows, vocab, topP; float32

}  // namespace papo
