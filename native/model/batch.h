// What the policy is given: groups, each a prompt with its pictures and its responses. Ragged, never padded.
#pragma once

#include "image/image.h"

namespace papo {

struct PromptInput {
  std::string example_id;
  uint64_t epoch = 0;        // the pass over the data set that it was drawn in
  std::vector<int64_t> ids;  // image tokens expanded to the merged grids
  std::vector<std::shared_ptr<const Image>> images;
};

struct GroupInput {
  PromptInput prompt;
  std::vector<std::vector<int64_t>> responses;
  int64_t first_response = 0;  // the index of responses[0] among the prompt's: later ones of a group that was cut

  int64_t response_tokens() const {
    int64_t total = 0;
    for (const auto& response : responses) total += static_cast<int64_t>(response.size());
    return total;
  }
};

struct GroupBatch {
  std::vector<GroupInput> groups;

  // Responses and response tokens before each group, and in all: [groups + 1].
  std::vector<int64_t> response_offsets() const;
  std::vector<int64_t> token_offsets() const;
};

// The masked view of a batch's pictures.
struct MaskedView {
  PatchMaskSpec mask;
  uint64_t seed = 0;
  bool per_response = false;   // each response has a mask of its own
  int64_t response_index = 0;  // else whose mask to use; 0 when the responses share it
};

}  // namespace papo
