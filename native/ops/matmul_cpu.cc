#include "ops/matmul_cpu.h"

#include <array>

#include "core/parallel.h"
#include "core/vec.h"

// The classic blocking: a panel of b stays in the first cache while a block of a, in the second, passes over it; tiles
// of out are in registers. Both are packed so that the innermost loop reads them in order.
namespace papo {
namespace {

using V = Vec<float>;
constexpr int64_t kW = kLanes<float>;

// Of a tile: with AVX-512 28 of 32 registers hold sums, with AVX2 12 of 16.
#ifdef __AVX512F__
constexpr int64_t kTileRows = 14, kTileVectors = 2;
#else
constexpr int64_t kTileRows = 6, kTileVectors = 1;
#endif
constexpr int64_t kTileColumns = kTileVectors * kW;
constexpr int64_t kDepth = 256;                       // of K at a time: a panel of b is 32 KiB
constexpr int64_t kBlockRows = 10 * kTileRows;        // of a: at most 140 KiB
constexpr int64_t kPanels = 4096 / kTileColumns;      // of b at a time: 4 MiB
constexpr int64_t kProductsATask = int64_t{1} << 17;  // below that a thread is not worth its start

// Numbers at from[row * row_stride + k * k_stride].
struct Strided {
  const float* from;
  int64_t row_stride, k_stride;
  Strided at(int64_t row, int64_t k) const { return {from + row * row_stride + k * k_stride, row_stride, k_stride}; }
};

// 16 x 16 numbers, rows and columns exchanged.
void transpose(std::array<V, kW>& v) {
  std::array<V, kW> t;
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    t[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    if (i & 2) continue;
    v[i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    v[i + 2] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    if (i & 4) continue;
    t[i] = __builtin_shufflevector(v[i], v[i + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    t[i + 4] = __builtin_shufflevector(v[i], v[i + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 8; ++i) {
    v[i] = __builtin_shufflevector(t[i], t[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    v[i + 8] = __builtin_shufflevector(t[i], t[i + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
}

// `rows` <= kWidth rows over `depth` of K, as to[k][kWidth]; rows that do not exist are 0.
template <int64_t kWidth>
void pack(const Strided& x, int64_t rows, int64_t depth, float* to) {
  int64_t k = 0;
  if (x.row_stride == 1 && rows == kWidth) {
    for (; k < depth; ++k) std::memcpy(to + k * kWidth, x.from + k * x.k_stride, kWidth * sizeof(float));
  } else if (x.k_stride == 1 && x.row_stride != 1) {
    for (; k + kW <= depth; k += kW) {
      for (int64_t first = 0; first < kWidth; first += kW) {
        const int64_t width = std::min(kW, kWidth - first), there = std::clamp<int64_t>(rows - first, 0, width);
        std::array<V, kW> v{};
        for (int64_t i = 0; i < there; ++i) v[i] = load(x.at(first + i, k).from);
        transpose(v);
        for (int64_t i = 0; i < kW; ++i) std::memcpy(to + (k + i) * kWidth + first, &v[i], width * sizeof(float));
      }
    }
  }
  for (; k < depth; ++k)
    for (int64_t row = 0; row < kWidth; ++row) to[k * kWidth + row] = row < rows ? *x.at(row, k).from : 0.0f;
}

// out[kRows, columns] of packed rows of a and columns of b.
template <int64_t kRows>
void tile(int64_t depth, const float* a, const float* b, float* out, int64_t stride, int64_t columns, bool add) {
  V sums[kRows][kTileVectors] = {};
  for (int64_t k = 0; k < depth; ++k, a += kTileRows, b += kTileColumns) {
    V w[kTileVectors];
#pragma GCC unroll 2
    for (int64_t v = 0; v < kTileVectors; ++v) w[v] = load(b + v * kW);
#pragma GCC unroll 14
    for (int64_t row = 0; row < kRows; ++row) {
      const V x = broadcast(a[row]);
#pragma GCC unroll 2
      for (int64_t v = 0; v < kTileVectors; ++v) sums[row][v] += x * w[v];
    }
  }
#pragma GCC unroll 14
  for (int64_t row = 0; row < kRows; ++row) {
    float* to = out + row * stride;
    if (columns == kTileColumns) {
#pragma GCC unroll 2
      for (int64_t v = 0; v < kTileVectors; ++v)
        store(to + v * kW, add ? load(to + v * kW) + sums[row][v] : sums[row][v]);
      continue;
    }
    float part[kTileColumns];
    for (int64_t v = 0; v < kTileVectors; ++v) store(part + v * kW, sums[row][v]);
    for (int64_t column = 0; column < columns; ++column) to[column] = add ? to[column] + part[column] : part[column];
  }
}

using Tile = decltype(&tile<1>);
constexpr auto kTiles = []<size_t... kRows>(std::index_sequence<kRows...>) {
  return std::array<Tile, sizeof...(kRows)>{&tile<kRows + 1>...};
}
(std::make_index_sequence<kTileRows>());

float* scratch(std::vector<float>& memory, int64_t count) {
  if (static_cast<int64_t>(memory.size()) < count) memory.resize(count);
  return memory.data();
}

struct Product {
  Strided a, b;  // b's "rows" are its columns
  float* out;
  int64_t out_stride, rows, columns, depth;
  bool add;

  // out's rows [first, first + count) of the packed panels, which begin at `column`.
  void block(int64_t first, int64_t count, int64_t column, int64_t panels, const float* packed_b, int64_t k,
             int64_t depth_here) const {
    thread_local std::vector<float> memory;
    float* packed_a = scratch(memory, kBlockRows * kDepth);
    for (int64_t row = 0; row < count; row += kTileRows)
      pack<kTileRows>(a.at(first + row, k), std::min(kTileRows, count - row), depth_here, packed_a + row * depth_here);
    for (int64_t panel = 0; panel < panels; ++panel) {
      const int64_t at = column + panel * kTileColumns, width = std::min(kTileColumns, columns - at);
      const float* panel_b = packed_b + panel * kTileColumns * kDepth;
      for (int64_t row = 0; row < count; row += kTileRows)
        kTiles[std::min(kTileRows, count - row) - 1](depth_here, packed_a + row * depth_here, panel_b,
                                                     out + (first + row) * out_stride + at, out_stride, width,
                                                     add || k > 0);
    }
  }

  void run() const {
    thread_local std::vector<float> memory;
    const int64_t threads = std::clamp<int64_t>(rows * columns * depth / kProductsATask, 1, at::get_num_threads());
    const int64_t a_thread = round_up((rows + threads - 1) / threads, kTileRows);
    const int64_t block_rows = std::min(kBlockRows, a_thread);
    for (int64_t column = 0; column < columns; column += kPanels * kTileColumns) {
      const int64_t width = std::min(kPanels * kTileColumns, columns - column);
      const int64_t panels = (width + kTileColumns - 1) / kTileColumns;
      float* packed_b = scratch(memory, panels * kTileColumns * kDepth);
      for (int64_t k = 0; k < depth; k += kDepth) {
        const int64_t depth_here = std::min(kDepth, depth - k);
        parallel_tasks(panels, [&](int64_t panel) {
          const int64_t at = panel * kTileColumns;
          pack<kTileColumns>(b.at(column + at, k), std::min(kTileColumns, width - at), depth_here,
                             packed_b + at * kDepth);
        });
        parallel_tasks((rows + block_rows - 1) / block_rows, [&](int64_t index) {
          const int64_t first = index * block_rows;
          block(first, std::min(block_rows, rows - first), column, panels, packed_b, k, depth_here);
        });
      }
    }
  }
};

}  // namespace

void matmul_cpu(const at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) {
  Product{{a_MK.data_ptr<float>(), a_MK.stride(0), a_MK.stride(1)},
          {b_KN.data_ptr<float>(), b_KN.stride(1), b_KN.stride(0)},
          out_MN.data_ptr<float>(),
          out_MN.stride(0),
          a_MK.size(0),
          b_KN.size(1),
          a_MK.size(1),
          add}
      .run();
}

}  // namespace papo
