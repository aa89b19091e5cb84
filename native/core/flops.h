// Counting the arithmetic of matrix products and attention by what it was for: a product of [M, K] and [K, N] is 2 M N
// K FLOPs, a visible (query, key) pair of a head of size E 4 E forward. Elementwise work is not counted.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace papo {

enum class FlopPhase { kVision, kBody, kAttention, kHead };  // kAttention: of the language model
inline constexpr size_t kNumFlopPhases = 4;
using FlopCounts = std::array<double, kNumFlopPhases>;

// The device thread's counts since they were last taken, and what it computes at present.
inline thread_local FlopCounts flop_counts{};
inline thread_local FlopPhase flop_phase = FlopPhase::kBody;

inline void count_flops(double flops, FlopPhase phase = flop_phase) {
  flop_counts[static_cast<size_t>(phase)] += flops;
}

// The counts so far, which begin anew.
inline FlopCounts take_flops() { return std::exchange(flop_counts, {}); }

class FlopScope {
 public:
  explicit FlopScope(FlopPhase phase) : before_(flop_phase) { flop_phase = phase; }
  ~FlopScope() { flop_phase = before_; }
  FlopScope(const FlopScope&) = delete;
  FlopScope& operator=(const FlopScope&) = delete;

 private:
  const FlopPhase before_;
};

}  // namespace papo
