// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11, "Parallel random numbers: as easy as 1, 2, 3").
// A number is a function of what it is for, never of the order in which numbers are drawn, so results do not depend
// on batching, device count or a restart.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace papo {

enum class Purpose : uint64_t { kRolloutToken = 1, kPatchMask = 2, kMaskNoise = 3, kInit = 4 };

inline std::array<uint32_t, 4> philox4x32(uint64_t key, uint64_t counter_high, uint64_t counter_low) {
  uint32_t c0 = static_cast<uint32_t>(counter_low), c1 = static_cast<uint32_t>(counter_low >> 32);
  uint32_t c2 = static_cast<uint32_t>(counter_high), c3 = static_cast<uint32_t>(counter_high >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

// FNV-1a over the bytes of an example id.
inline uint64_t hash_id(std::string_view id) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (unsigned char byte : id) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash;
}

// The stream of one (seed, purpose, coordinates): its numbers are indexed by position.
class RandomStream {
 public:
  RandomStream(uint64_t seed, Purpose purpose, std::initializer_list<uint64_t> coordinates) : key_(seed) {
    uint64_t state = static_cast<uint64_t>(purpose);
    for (uint64_t value : coordinates) {
      const auto block = philox4x32(key_, state, value);
      state = (static_cast<uint64_t>(block[1]) << 32) | block[0];
    }
    stream_ = state;
  }
  std::array<uint32_t, 4> block(uint64_t index) const { return philox4x32(key_, stream_, index); }
  // Uniform in [0, 1) with 53 bits.
  double uniform(uint64_t index) const {
    const auto b = block(index);
    return static_cast<double>(((static_cast<uint64_t>(b[1]) << 32) | b[0]) >> 11) * 0x1.0p-53;
  }
  uint64_t key() const { return key_; }
  uint64_t stream() const { return stream_; }

 private:
  uint64_t key_;
  uint64_t stream_;
};

}  // namespace papo
