// The emulator finds what it is there to find, and lets correct kernels through.
#include <numeric>
#include <thread>

#include "kernels/reduce.cuh"
#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

constexpr int kThreads = 128;

__global__ void reverse_kernel(int* out, bool with_barrier) {
  PAPO_SHARED(int, staged, kThreads);
  const int t = threadIdx.x;
  staged[t] = t + static_cast<int>(blockIdx.x) * kThreads;
  if (with_barrier) __syncthreads();
  out[blockIdx.x * kThreads + t] = staged[kThreads - 1 - t];
}
__global__ void overwrite_kernel(int* out) {
  PAPO_SHARED(int, staged, kThreads);
  staged[threadIdx.x] = 1;
  __syncthreads();
  const int right = staged[(threadIdx.x + 1) % kThreads];
  staged[threadIdx.x] = right + 1;  // a neighbour may not have read its 1 yet
  out[threadIdx.x] = right;
}
__global__ void same_element_kernel() {
  PAPO_SHARED(int, staged, 1);
  staged[0] = threadIdx.x;
}
__global__ void index_kernel(int index) {
  PAPO_SHARED(float, staged, 32);
  staged[index] = 1;
}
__global__ void unwritten_kernel(float* out) {
  PAPO_SHARED(float, staged, 32);
  if (threadIdx.x != 3) staged[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = staged[threadIdx.x];
}
// Written in the block that runs first only.
__global__ void once_kernel(int* done, float* out) {
  PAPO_SHARED(float, staged, 1);
  if (*done == 0) staged[0] = 1;
  *done = 1;
  *out = staged[0];
}
__global__ void branch_barrier_kernel() {
  if (threadIdx.x < 40) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void early_exit_kernel() {
  if (threadIdx.x == 5) return;
  __syncthreads();
}
__global__ void warp_or_block_kernel() {
  if (threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncwarp(0xAAAAAAAAu | 1u);
}
__global__ void warp_reverse_kernel(int* out, bool with_sync) {
  PAPO_SHARED(int, staged, 32);
  staged[threadIdx.x] = threadIdx.x;
  if (with_sync)
    __syncwarp();
  else
    __shfl_xor_sync(kAllLanes, 1, 1);  // orders no memory
  out[threadIdx.x] = staged[31 - threadIdx.x];
}
__global__ void mask_kernel(unsigned even, unsigned odd, int* out) {
  out[threadIdx.x] = __shfl_xor_sync(threadIdx.x % 2 == 0 ? even : odd, static_cast<int>(threadIdx.x), 2);
}
__global__ void sums_kernel(const float* x, float* sums, float* largest) {
  PAPO_SHARED(float, scratch, kWarp);
  const float value = x[threadIdx.x];
  sums[threadIdx.x] = block_sum(value, scratch);
  largest[threadIdx.x] = block_max(value, scratch);
}
__global__ void lanes_kernel(int* out) {
  const int lane = threadIdx.x;
  out[lane] = __shfl_down_sync(kAllLanes, lane, 5);
  out[32 + lane] = __shfl_sync(kAllLanes, lane, 7);
  out[64 + lane] = __shfl_up_sync(kAllLanes, lane, 3, 8);
  out[96 + lane] = static_cast<int>(__ballot_sync(kAllLanes, lane < 4));
}
__global__ void shared_atomic_kernel(int* out) {
  PAPO_SHARED(int, count, 1);
  if (threadIdx.x == 0) count[0] = 0;
  __syncthreads();
  atomicAdd(&count[0], 1);
  __syncthreads();
  out[threadIdx.x] = count[0];
}
__global__ void large_kernel() {
  PAPO_SHARED(float, first, 12288);
  PAPO_SHARED(float, second, 1);
  first[threadIdx.x] = 1;
  second[threadIdx.x] = 1;
}
__global__ void global_index_kernel(float* out, int at) { out[at] = threadIdx.x; }

template <auto kernel, class... A>
void launch_one(int threads, A... arguments) {
  expect_launched(PAPO_LAUNCH(kernel, 1, threads, nullptr, arguments...));
}

}  // namespace

PAPO_CASE("simt: a barrier makes the block's writes visible, in every block") {
  Buffer<int> out(5 * kThreads);
  expect_launched(PAPO_LAUNCH(reverse_kernel, 5, kThreads, nullptr, out.data(), true));
  for (int i = 0; i < 5 * kThreads; ++i)
    expect(out[i] == i / kThreads * kThreads + kThreads - 1 - i % kThreads, "each block reversed");
}
PAPO_CASE("simt: a missing barrier between write and read is an error") {
  expect_throws(
      [] {
        Buffer<int> out(kThreads);
        launch_one<reverse_kernel>(kThreads, out.data(), false);
      },
      "staged[");
}
PAPO_CASE("simt: a write over what another thread still reads is a race") {
  expect_throws(
      [] {
        Buffer<int> out(kThreads);
        launch_one<overwrite_kernel>(kThreads, out.data());
      },
      "race: staged[");
}
PAPO_CASE("simt: two writers of an element are a race") {
  expect_throws([] { launch_one<same_element_kernel>(2); }, "race: staged[0] is written");
}
PAPO_CASE("simt: an index out of bounds is an error") {
  expect_throws([] { launch_one<index_kernel>(1, 32); }, "out of bounds: staged[32] of 32");
  expect_throws([] { launch_one<index_kernel>(1, -1); }, "out of bounds: staged[-1] of 32");
}
PAPO_CASE("simt: reading what nobody wrote is an error, with its kernel, block and thread") {
  expect_throws(
      [] {
        Buffer<float> out(32);
        launch_one<unwritten_kernel>(32, out.data());
      },
      "block (0, 0, 0), thread (3, 0, 0): reads staged[3], which no thread");
}
PAPO_CASE("simt: what an earlier block wrote does not count") {
  expect_throws(
      [] {
        int done = 0;
        float out;
        PAPO_LAUNCH(once_kernel, 2, 1, nullptr, &done, &out);
      },
      "staged[0], which");
}
PAPO_CASE("simt: barriers in two branches, behind an exit or beside a warp operation diverge") {
  expect_throws([] { launch_one<branch_barrier_kernel>(64); }, "divergence");
  expect_throws([] { launch_one<early_exit_kernel>(64); }, "ended");
  expect_throws([] { launch_one<warp_or_block_kernel>(32); }, "");
}
PAPO_CASE("simt: __syncwarp orders a warp's shared memory, a shuffle does not") {
  Buffer<int> out(32);
  launch_one<warp_reverse_kernel>(32, out.data(), true);
  for (int i = 0; i < 32; ++i) expect(out[i] == 31 - i, "the warp reversed");
  expect_throws(
      [] {
        Buffer<int> other(32);
        launch_one<warp_reverse_kernel>(32, other.data(), false);
      },
      "race");
}
PAPO_CASE("simt: masks of a warp operation must agree, name the caller and have the source") {
  Buffer<int> out(32);
  launch_one<mask_kernel>(32, 0x55555555u, 0xAAAAAAAAu, out.data());
  for (int i = 0; i < 32; ++i) expect(out[i] == (i ^ 2), "lanes two apart swapped");
  expect_throws(
      [] {
        Buffer<int> o(32);
        launch_one<mask_kernel>(32, kAllLanes, 0xAAAAAAAAu, o.data());
      },
      "mask");
  expect_throws(
      [] {
        Buffer<int> o(32);
        launch_one<mask_kernel>(32, 0x55555555u, 0x55555555u, o.data());
      },
      "not in the mask");
  expect_throws(
      [] {
        Buffer<int> o(33);
        launch_one<mask_kernel>(33, 0x55555555u, 0xAAAAAAAAu, o.data());
      },
      "takes no part");
}
PAPO_CASE("simt: shuffles and votes give CUDA's values") {
  Buffer<int> out(128);
  launch_one<lanes_kernel>(32, out.data());
  for (int lane = 0; lane < 32; ++lane) {
    expect(out[lane] == (lane + 5 < 32 ? lane + 5 : lane), "down by 5");
    expect(out[32 + lane] == 7, "lane 7 everywhere");
    expect(out[64 + lane] == (lane % 8 >= 3 ? lane - 3 : lane), "up by 3 in segments of 8");
    expect(out[96 + lane] == 15, "a vote of four");
  }
}
PAPO_CASE("simt: block_sum and block_max are exact on small integers and repeat bit for bit") {
  for (const int threads : {32, 96, 1024}) {
    Buffer<float> x(threads), sums(threads), largest(threads);
    for (int i = 0; i < threads; ++i) x[i] = static_cast<float>((i * 37) % 101) - 120;
    const float sum = std::accumulate(x.begin(), x.end(), 0.0f), top = *std::max_element(x.begin(), x.end());
    launch_one<sums_kernel>(threads, x.data(), sums.data(), largest.data());
    for (int i = 0; i < threads; ++i) expect(sums[i] == sum && largest[i] == top, "sum and maximum in every thread");
  }
}
PAPO_CASE("simt: atomics of one block on shared memory do not race") {
  Buffer<int> out(kThreads);
  launch_one<shared_atomic_kernel>(kThreads, out.data());
  for (const int count : out) expect(count == kThreads, "every thread counted");
}
PAPO_CASE("simt: an engine goes on after an error and reports launches CUDA refuses") {
  expect_throws([] { launch_one<index_kernel>(64, 77); }, "out of bounds");
  Buffer<float> out(4);
  launch_one<global_index_kernel>(1, out.data(), 3);
  expect(PAPO_LAUNCH(global_index_kernel, 1, 1025, nullptr, out.data(), 0) == cudaErrorInvalidConfiguration, "refused");
  expect(PAPO_LAUNCH(global_index_kernel, 0, 32, nullptr, out.data(), 0) == cudaErrorInvalidConfiguration, "refused");
}
PAPO_CASE("simt: OS threads launch side by side, each its own blocks") {
  Buffer<int> out[2] = {Buffer<int>(3 * kThreads), Buffer<int>(3 * kThreads)};
  {
    std::jthread first([&] { PAPO_LAUNCH(reverse_kernel, 3, kThreads, nullptr, out[0].data(), true); });
    std::jthread second([&] { PAPO_LAUNCH(reverse_kernel, 3, kThreads, nullptr, out[1].data(), true); });
  }
  for (int i = 0; i < 3 * kThreads; ++i) {
    const int expected = i / kThreads * kThreads + kThreads - 1 - i % kThreads;
    expect(out[0][i] == expected && out[1][i] == expected, "each block reversed");
  }
}
PAPO_CASE("simt: more than 48 KB of shared memory are refused") {
  expect_throws([] { launch_one<large_kernel>(1); }, "uses 49168 bytes of shared memory");
}
