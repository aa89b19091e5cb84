// Blocks an SM holds, by CUDA's own host-side calculation; needs the toolkit's headers and no GPU.
// stdin: lines "<sm> <threads> <registers> <shared bytes>"; stdout: a line "<blocks> <warps of the most possible>" each.
#include <cuda_runtime_api.h>

#include <cuda_occupancy.h>

#include <initializer_list>
#include <iostream>

namespace {

cudaOccDeviceProp device(int sm) {
  cudaOccDeviceProp prop{};
  prop.computeMajor = sm / 10;
  prop.computeMinor = sm % 10;
  prop.maxThreadsPerBlock = 1024;
  prop.maxThreadsPerMultiprocessor = 2048;
  prop.regsPerBlock = prop.regsPerMultiprocessor = 65536;
  prop.warpSize = 32;
  const size_t kib = 1024;
  prop.sharedMemPerBlock = 48 * kib;
  prop.sharedMemPerMultiprocessor = (sm == 80 ? 164 : 228) * kib;
  prop.sharedMemPerBlockOptin = (sm == 80 ? 163 : 227) * kib;
  prop.reservedSharedMemPerBlock = kib;
  prop.numSms = sm == 80 ? 108 : sm == 90 ? 132 : 148;
  return prop;
}

}  // namespace

int main() {
  int sm, threads, registers, shared;
  while (std::cin >> sm >> threads >> registers >> shared) {
    const auto prop = device(sm);
    cudaOccFuncAttributes attributes{};
    attributes.maxThreadsPerBlock = threads;
    attributes.numRegs = registers;
    attributes.sharedSizeBytes = static_cast<size_t>(shared);
    attributes.partitionedGCConfig = PARTITIONED_GC_OFF;
    attributes.shmemLimitConfig = FUNC_SHMEM_LIMIT_DEFAULT;
    attributes.maxDynamicSharedSizeBytes = 0;
    attributes.numBlockBarriers = 1;
    cudaOccDeviceState state{};
    state.cacheConfig = CACHE_PREFER_SHARED;
    state.carveoutConfig = SHAREDMEM_CARVEOUT_MAX_SHARED;
    cudaOccResult result{};
    if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &prop, &attributes, &state, threads, 0) != CUDA_OCC_SUCCESS)
      return 1;
    std::cout << result.activeBlocksPerMultiprocessor << ' '
              << result.activeBlocksPerMultiprocessor * ((threads + 31) / 32) / 64.0 << '\n';
  }
}
