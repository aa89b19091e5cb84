#include "model/batch.h"

namespace papo {

std::vector<int64_t> GroupBatch::response_offsets() const {
  std::vector<int64_t> offsets{0};
  for (const auto& group : groups) offsets.push_back(offsets.back() + static_cast<int64_t>(group.responses.size()));
  return offsets;
}

std::vector<int64_t> GroupBatch::token_offsets() const {
  std::vector<int64_t> offsets{0};
  for (const auto& group : groups) offsets.push_back(offsets.back() + group.response_tokens());
  return offsets;
}

}  // namespace papo
