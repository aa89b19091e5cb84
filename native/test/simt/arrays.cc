#include "test/simt/arrays.h"

#include <algorithm>

#include "test/simt/text.h"

namespace simt {
namespace {

constexpr size_t kSharedBytes = size_t{48} << 10;  // static shared memory of a block, on every architecture

std::string thread_text(int number) {
  if (number < 0) return "several threads";
  const auto n = static_cast<unsigned>(number);
  return "thread " +
         text_of(uint3{n % block->size.x, n / block->size.x % block->size.y, n / block->size.x / block->size.y});
}
std::string element_text(const Array& array, int64_t index) {
  return std::string(array.name) + "[" + std::to_string(index) + "]";
}

}  // namespace

Array* Arrays::find_or_add(const void* site, const char* name, size_t count, size_t element_bytes) {
  for (auto& storage : arrays_)
    if (storage.array.site == site) return &storage.array;
  bytes_ += (count * element_bytes + 15) / 16 * 16;
  if (bytes_ > kSharedBytes)
    fail("uses " + std::to_string(bytes_) + " bytes of shared memory, " + std::to_string(kSharedBytes) + " are there");
  auto& storage = arrays_.emplace_back();
  storage.data = std::make_unique<std::byte[]>(count * element_bytes);
  storage.cells = std::make_unique<Cell[]>(count);
  std::fill_n(storage.data.get(), count * element_bytes, std::byte{0xFF});
  storage.array = {site, name, count, element_bytes, storage.data.get(), storage.cells.get()};
  return &storage.array;
}

void Arrays::poison() {
  for (auto& storage : arrays_)
    std::fill_n(storage.data.get(), storage.array.count * storage.array.element_bytes, std::byte{0xFF});
}

void Arrays::clear() {
  arrays_.clear();
  bytes_ = 0;
}

void race(const Array& array, size_t index, const char* now, int other, const char* before) {
  fail("race: " + element_text(array, static_cast<int64_t>(index)) + " is " + now + ", " + thread_text(other) +
       (other < 0 ? " have " : " has ") + before + " it and no barrier is between");
}
void unwritten(const Array& array, size_t index) {
  fail("reads " + element_text(array, static_cast<int64_t>(index)) + ", which no thread of the block has written");
}
void out_of_bounds(const Array& array, int64_t index) {
  fail("out of bounds: " + element_text(array, index) + " of " + std::to_string(array.count) + " elements");
}

}  // namespace simt
