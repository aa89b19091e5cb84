// The shared memory of the running block.
#pragma once

#include <deque>
#include <memory>

#include "test/simt/engine.h"

namespace simt {

class Arrays {
 public:
  // The array of this declaration, made when a thread of the launch first comes to it. Fails when all arrays together
  // are larger than what a launch may use without opting in to more.
  Array* find_or_add(const void* site, const char* name, size_t count, size_t element_bytes);
  // A new block begins: nothing of the last one's values is left.
  void poison();
  void clear();

 private:
  struct Storage {
    Array array;
    std::unique_ptr<std::byte[]> data;
    std::unique_ptr<Cell[]> cells;
  };
  std::deque<Storage> arrays_;
  size_t bytes_ = 0;
};

}  // namespace simt
