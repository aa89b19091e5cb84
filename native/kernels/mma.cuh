// The tensor cores' 16 x 8 x 16 product of bfloat16 with float32 sums, and the same by shuffles under emulation.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// sums += a b. With g = lane / 4 and t = lane % 4, registers hold pairs of numbers, the first in the low half:
//   a  row g, columns 2t 2t+1 | row g+8, the same | row g, columns 2t+8 2t+9 | row g+8, the same
//   b  column g, rows 2t 2t+1 | rows 2t+8 2t+9
//   sums  row g, columns 2t and 2t+1 | row g+8, the same
// Source: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
PAPO_DEVICE void mma_16x8x16(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if defined(__CUDACC__)
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  const auto add_pair = [](float& sum, unsigned x, unsigned y) {
    sum += __uint_as_float(x << 16) * __uint_as_float(y << 16);
    sum += __uint_as_float(x & 0xFFFF0000u) * __uint_as_float(y & 0xFFFF0000u);
  };
  const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
  for (int pair = 0; pair < 4; ++pair) {
    for (int half = 0; half < 2; ++half) {
      const unsigned upper = __shfl_sync(kAllLanes, a[2 * half], g * 4 + pair);
      const unsigned lower = __shfl_sync(kAllLanes, a[2 * half + 1], g * 4 + pair);
      const unsigned left = __shfl_sync(kAllLanes, b[half], 2 * t * 4 + pair);
      const unsigned right = __shfl_sync(kAllLanes, b[half], (2 * t + 1) * 4 + pair);
      add_pair(sums[0], upper, left);
      add_pair(sums[1], upper, right);
      add_pair(sums[2], lower, left);
      add_pair(sums[3], lower, right);
    }
  }
#endif
}

}  // namespace papo::kernels
