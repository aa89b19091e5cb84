// Reductions of a warp and of a block. Their order is fixed by the block's size alone, so results repeat bit for bit.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// Every lane gets the result; all 32 lanes take part.
PAPO_DEVICE float warp_sum(float value) {
#pragma unroll
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  return value;
}
PAPO_DEVICE float warp_max(float value) {
#pragma unroll
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, lanes));
  return value;
}

// Every thread of a one-dimensional block of whole warps gets the result. scratch: kWarp floats of the block, free for
// other use again on return.
template <class Shared, class Combine>
PAPO_DEVICE float block_reduce(float value, float neutral, Shared scratch, const Combine& combine) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  value = combine(value);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  const float other = lane < warps ? static_cast<float>(scratch[lane]) : neutral;
  value = combine(other);
  __syncthreads();
  return value;
}
template <class Shared>
PAPO_DEVICE float block_sum(float value, Shared scratch) {
  return block_reduce(value, 0.0f, scratch, [](float v) { return warp_sum(v); });
}
template <class Shared>
PAPO_DEVICE float block_max(float value, Shared scratch) {
  return block_reduce(value, -INFINITY, scratch, [](float v) { return warp_max(v); });
}

}  // namespace papo::kernels
