#include "rl/recompute_choice.h"

#include <cstdio>

#include "core/error.h"

namespace papo {
namespace {

// The prompt and responses [begin, end) of a group.
void add_rows(UpdateRows& n, const GroupInput& group, size_t begin, size_t end) {
  n.rows += static_cast<int64_t>(group.prompt.ids.size());
  for (const auto& image : group.prompt.images)
    n.patches += image->grid_thw[0] * image->grid_thw[1] * image->grid_thw[2];
  bool any = false;
  for (size_t i = begin; i < end; ++i) {
    const auto length = static_cast<int64_t>(group.responses[i].size());
    const int64_t own = std::max<int64_t>(0, length - 1);
    n.rows += own;
    n.predicting += own;
    n.head += length;
    any |= length > 0;
  }
  n.predicting += any;  // the prompt's last row
}

void add_pass(UpdateRows& n, int64_t& largest, const UpdateRows& pass) {
  n.rows += pass.rows;
  n.patches += pass.patches;
  n.predicting += pass.predicting;
  n.head += pass.head;
  largest = std::max(largest, pass.rows);
}

std::string mebibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < 100 * 0x1p20 ? "%.1f MiB" : "%.0f MiB", bytes / 0x1p20);
  return text;
}

}  // namespace

UpdateRows update_rows(const std::vector<GroupInput>& groups, const MaskedView* recompute) {
  UpdateRows all, plain;
  int64_t largest = 0;
  for (const auto& group : groups) add_rows(plain, group, 0, group.responses.size());
  add_pass(all, largest, plain);
  if (recompute != nullptr && !recompute->per_response) add_pass(all, largest, plain);
  if (recompute != nullptr && recompute->per_response) {
    for (const auto& group : groups) {
      for (size_t i = 0; i < group.responses.size(); ++i) {
        UpdateRows single;
        add_rows(single, group, i, i + 1);
        add_pass(all, largest, single);
      }
    }
  }
  all.largest_pass = static_cast<double>(largest) / static_cast<double>(std::max<int64_t>(1, all.rows));
  return all;
}

RecomputeChoice choose_recomputed(const Policy& policy, const UpdateForm& form, const UpdateRows& rows,
                                  double available) {
  const auto& config = policy.config;
  const auto with = [&](const Recomputed& again) {
    return RecomputeChoice{again, update_bytes(config, form, rows, again)};
  };
  const Recomputed all{config.text.num_layers, form.trains_tower ? config.vision.depth : 0};
  if (policy.options.checkpointing != Checkpointing::kAuto)
    return with(policy.options.checkpointing == Checkpointing::kAll ? all : Recomputed{});
  const auto fewest = fewest_recomputed(config, form, rows, available);
  if (!fewest)
    throw Error("E_OOM", "forward_backward",
                "a micro-batch of " + std::to_string(rows.rows) + " rows and " + std::to_string(rows.patches) +
                    " patches needs " + mebibytes(with(all).bytes) + " with every layer recomputed, and " +
                    mebibytes(available) +
                    " are free: lower optim.microBatchTokens, or set model.activationCheckpoint=true to try it anyway");
  return with(*fewest);
}

}  // namespace papo
