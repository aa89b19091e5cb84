#include "rollout/step_inputs.h"

#include <bit>

namespace papo {
namespace {

using qwen2_5_vl::TextConfig;

constexpr int kChunkKeys = 256;  // keys that a block of decode attention reads
constexpr int kItemWords = sizeof(kernels::DecodeItem) / sizeof(int32_t);

int power_of_two(int64_t count) { return static_cast<int>(std::bit_ceil(static_cast<uint64_t>(count))); }

// Where each part begins, in words; those of int64 come first, so that they are aligned.
struct Layout {
  explicit Layout(const StepSizes& sizes, const TextConfig& text) {
    const int64_t rows = sizes.rows;
    pointers = ids + 2 * rows;
    positions = pointers + 2 * text.num_layers * 2 * rows;
    items = positions + rows;
    first_part = items + int64_t{kItemWords} * sizes.items;
    places = first_part + rows + 1;
    page_table = places + rows;
    end = page_table + rows * sizes.pages;
  }
  int64_t ids = 0, pointers, positions, items, first_part, places, page_table, end;
};

// Prompts of the batch and how many tokens each row has of its own, the fed one included.
struct Groups {
  std::vector<const DevicePrompt*> prompts;
  std::vector<kernels::DecodeGroup> lengths;
};

Groups group_rows(const std::vector<DecodingResponse*>& responses) {
  Groups groups;
  for (const auto* response : responses) {
    const auto* prompt = static_cast<const DevicePrompt*>(response->prompt);
    if (groups.prompts.empty() || groups.prompts.back() != prompt) {
      groups.prompts.push_back(prompt);
      groups.lengths.push_back({static_cast<int32_t>(prompt->num_tokens), {}});
    }
    groups.lengths.back().own_tokens.push_back(static_cast<int32_t>(response->num_tokens) + 1);
  }
  return groups;
}

class HostWords {
 public:
  explicit HostWords(int64_t count) : words(count, 0) {}
  template <class T>
  void put(int64_t at, const T& value) {
    std::memcpy(words.data() + at, &value, sizeof(value));
  }
  template <class T>
  void put_all(int64_t at, const std::vector<T>& values) {
    std::memcpy(words.data() + at, values.data(), values.size() * sizeof(T));
  }
  std::vector<int32_t> words;
};

}  // namespace

int bucket_rows(int rows) {
  const int step = std::max(1, static_cast<int>(std::bit_floor(static_cast<unsigned>(rows))) / 4);
  return (rows + step - 1) / step * step;
}

HostStep gather_step(const std::vector<DecodingResponse*>& responses, const std::vector<int64_t>& tokens,
                     int32_t scratch_page, const TextConfig& text) {
  const auto live = static_cast<int>(responses.size()), rows = bucket_rows(live);
  auto groups = group_rows(responses);
  groups.lengths.push_back({0, std::vector<int32_t>(rows - live, 1)});
  const auto plan =
      kernels::plan_decode(groups.lengths, static_cast<int>(text.num_heads / text.num_kv_heads), kChunkKeys);
  size_t pages = 1;
  for (auto* response : responses) {
    auto& own = static_cast<DeviceResponse&>(*response);
    if (own.num_tokens % kernels::kPageTokens == 0) own.pages.push_back(own.pool->take());
    pages = std::max(pages, own.pages.size());
  }
  const StepSizes sizes{rows, power_of_two(plan.items.size()), power_of_two(plan.num_parts()), power_of_two(pages)};
  const Layout at(sizes, text);
  HostWords out(at.end);
  out.put_all(at.ids, tokens);
  for (int64_t layer = 0; layer < text.num_layers; ++layer) {
    for (size_t prompt = 0; prompt < groups.prompts.size(); ++prompt) {
      const int64_t place = at.pointers + 2 * (layer * 2 * rows + static_cast<int64_t>(prompt));
      out.put(place, groups.prompts[prompt]->keys[layer].const_data_ptr());
      out.put(place + 2 * rows, groups.prompts[prompt]->values[layer].const_data_ptr());
    }
  }
  out.put_all(at.items, plan.items);
  out.put_all(at.first_part, plan.first_part);
  for (int row = 0; row < rows; ++row) out.put(at.page_table + int64_t{row} * sizes.pages, scratch_page);
  for (int row = 0; row < live; ++row) {
    auto& own = static_cast<DeviceResponse&>(*responses[row]);
    out.put(at.positions + row, static_cast<int32_t>(own.prompt->next_position + own.num_tokens));
    out.put(at.places + row, static_cast<int32_t>(own.num_tokens));
    out.put_all(at.page_table + int64_t{row} * sizes.pages, own.pages);
    ++own.num_tokens;
  }
  return {sizes, std::move(out.words)};
}

StepInputs make_step_inputs(const StepSizes& sizes, const TextConfig& text) {
  const Layout at(sizes, text);
  const auto words = at::zeros({at.end}, at::TensorOptions(tensor_device()).dtype(at::kInt));
  const auto part = [&](int64_t begin, int64_t end) { return words.slice(0, begin, end); };
  return {sizes,
          words,
          part(at.ids, at.pointers).view(at::kLong),
          part(at.pointers, at.positions).view(at::kLong),
          part(at.positions, at.items),
          part(at.items, at.first_part),
          part(at.first_part, at.places),
          part(at.places, at.page_table),
          part(at.page_table, at.end)};
}

}  // namespace papo
