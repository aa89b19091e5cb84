// The scheduler's random numbers.
#pragma once

#include <cstdint>

namespace simt {

// xorshift64*, seeded through splitmix64.
class Random {
 public:
  explicit Random(uint64_t seed) {
    seed += 0x9E3779B97F4A7C15ull;
    seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9ull;
    state_ = (seed ^ (seed >> 27)) | 1;
  }
  uint32_t below(uint32_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>(((state_ * 0x2545F4914F6CDD1Dull >> 32) * bound) >> 32);
  }

 private:
  uint64_t state_;
};

}  // namespace simt
