// Philox4x32-10 on the device; the numbers are those of core/philox.h.
#pragma once

#include "kernels/platform.cuh"

namespace papo::kernels {

// Uniform in [0, 1) with 53 bits: RandomStream::uniform(index) of the stream with this key and stream number.
PAPO_DEVICE double philox_uniform(uint64_t key, uint64_t stream, uint64_t index) {
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t n0 = __umulhi(0xCD9E8D57u, c2) ^ c1 ^ k0, n2 = __umulhi(0xD2511F53u, c0) ^ c3 ^ k1;
    c1 = 0xCD9E8D57u * c2;
    c3 = 0xD2511F53u * c0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return static_cast<double>(((static_cast<uint64_t>(c1) << 32) | c0) >> 11) * 0x1.0p-53;
}

}  // namespace papo::kernels
