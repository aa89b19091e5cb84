// What the passes of a training step take of memory, by sizes, in bytes. It decides how many layers keep their
// activations, and `papo plan` reads it.
#pragma once

#include "model/qwen2_5_vl/layer_memory.h"

namespace papo {

struct UpdateForm {
  NumberForm numbers;
  bool trains_tower = true;
  bool forms_gradient = true;  // the head's gradient is formed in the forward pass, from chunks of logits
  int64_t chunk_bytes = 0;     // of those
};

// Rows of a micro-batch's passes, all of whose graphs are held at the same time.
struct UpdateRows {
  int64_t rows = 0, patches = 0;
  int64_t predicting = 0;   // that go on behind the last layer's attention
  int64_t head = 0;         // response tokens
  double largest_pass = 1;  // share of the rows that one pass has: passes run backward one after the other
};

// The first `layers` decoder layers and the first `blocks` of the vision tower keep their inputs alone and run again in
// the backward pass. What the later ones keep is freed by then: its room is there for what an earlier one makes again.
struct Recomputed {
  int64_t layers = 0, blocks = 0;
};

// The most that a micro-batch's forward and backward pass takes at a time, beside weights, gradients and optimizer.
double update_bytes(const qwen2_5_vl::Config& config, const UpdateForm& form, const UpdateRows& rows,
                    const Recomputed& recomputed);

// The fewest with which that is at most `bytes`: blocks rather than decoder layers, which cost more arithmetic a byte.
// nullopt: it does not even fit when all run again.
std::optional<Recomputed> fewest_recomputed(const qwen2_5_vl::Config& config, const UpdateForm& form,
                                            const UpdateRows& rows, double bytes);

// The most that a pass without gradient takes.
double scoring_bytes(const qwen2_5_vl::Config& config, const UpdateForm& form, const UpdateRows& rows);

}  // namespace papo
