#include "kernels/rope.cuh"

#include <array>

#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

constexpr float kTheta = 1e6f;

std::vector<float> text_frequencies(int head_size) {
  std::vector<float> out(head_size / 2);
  for (int i = 0; i < head_size / 2; ++i)
    out[i] = 1.0f / std::pow(kTheta, static_cast<float>(2 * i) / static_cast<float>(head_size));
  return out;
}

template <class Table>
void check_tables(const std::vector<int>& positions, int64_t rows, const std::vector<float>& frequencies,
                  std::array<int, 2> ends) {
  const int half = static_cast<int>(frequencies.size()), size = 2 * half;
  Buffer<Table> cosine(rows * size), sine(rows * size);
  const RopeAngles angles{frequencies.data(), {ends[0], ends[1]}};
  expect_launched(rope_tables<Table>(positions.data(), angles, cosine.data(), sine.data(), rows, size, nullptr));
  std::vector<double> cos_expected(rows * size), sin_expected(rows * size);
  for (int64_t t = 0; t < rows; ++t) {
    for (int e = 0; e < size; ++e) {
      const int i = e % half, axis = i < ends[0] ? 0 : i < ends[1] ? 1 : 2;
      const float angle = static_cast<float>(positions[axis * rows + t]) * frequencies[i];
      cos_expected[t * size + e] = std::cos(static_cast<double>(angle));
      sin_expected[t * size + e] = std::sin(static_cast<double>(angle));
    }
  }
  const double tolerance = std::is_same_v<Table, float> ? 3e-7 : 0.004;
  expect_close(cosine, cos_expected, tolerance, "cos");
  expect_close(sine, sin_expected, tolerance, "sin");
}

struct Heads {
  int64_t rows;
  int heads, head_size, gap;  // gap: elements between heads of x that are not its own
};

template <class T, class Table>
void check_rotation(const Heads& c, int direction) {
  const int size = c.head_size, half = size / 2;
  const int64_t head_stride = size + c.gap, row_stride = c.heads * head_stride + c.gap;
  auto x = as<T>(normal(c.rows * row_stride, 1));
  const auto untouched = x;
  const auto cosine = as<Table>(normal(c.rows * size, 2)), sine = as<Table>(normal(c.rows * size, 3));
  Buffer<T> y(c.rows * c.heads * size);
  std::vector<double> expected(y.size());
  for (int64_t t = 0; t < c.rows; ++t) {
    for (int h = 0; h < c.heads; ++h) {
      for (int e = 0; e < half; ++e) {
        const int64_t at = t * row_stride + h * head_stride + e, to = (t * c.heads + h) * size + e;
        const double cs = wide(cosine[t * size + e]), sn = wide(sine[t * size + e]) * direction;
        expected[to] = wide(x[at]) * cs - wide(x[at + half]) * sn;
        expected[to + half] = wide(x[at + half]) * cs + wide(x[at]) * sn;
      }
    }
  }
  RopeShape shape{c.rows, c.heads, size, row_stride, head_stride, int64_t{c.heads} * size, size};
  expect_launched(rope<T, Table>(x.data(), cosine.data(), sine.data(), y.data(), shape, direction, nullptr));
  expect_close(y, expected, kTolerance<T>, "y");
  shape.y_row_stride = row_stride;
  shape.y_head_stride = head_stride;
  expect_launched(rope<T, Table>(x.data(), cosine.data(), sine.data(), x.data(), shape, direction, nullptr));
  for (int64_t t = 0; t < c.rows; ++t) {
    for (int64_t i = 0; i < row_stride; ++i) {
      const int64_t h = i / head_stride, e = i % head_stride, at = t * row_stride + i;
      const bool of_head = h < c.heads && e < size;
      const double wanted = of_head ? wide(y[(t * c.heads + h) * size + e]) : wide(untouched[at]);
      expect(wide(x[at]) == wanted, "the same in place, gaps left alone");
    }
  }
}

}  // namespace

PAPO_CASE("rope_tables: text sections take their axis, large positions keep their precision") {
  for (const int64_t rows : {1, 17, 37}) {
    std::vector<int> positions(3 * rows);
    for (int64_t i = 0; i < 3 * rows; ++i) positions[i] = static_cast<int>(i * i * 97 % 131072);
    const auto frequencies = text_frequencies(128);
    check_tables<float>(positions, rows, frequencies, {16, 40});
    check_tables<__nv_bfloat16>(positions, rows, frequencies, {16, 40});
    check_tables<float>(positions, rows, text_frequencies(6), {1, 2});
  }
}
PAPO_CASE("rope_tables: the vision tower's quarters turn with row and column") {
  const int64_t patches = 37;
  std::vector<int> positions(2 * patches);
  for (int64_t i = 0; i < 2 * patches; ++i) positions[i] = static_cast<int>(i * 7 % 73);
  std::vector<float> frequencies(40);
  for (int i = 0; i < 40; ++i) frequencies[i] = 1.0f / std::pow(10000.0f, static_cast<float>(2 * (i % 20)) / 40.0f);
  check_tables<float>(positions, patches, frequencies, {20, 40});
}
PAPO_CASE("rope: rotation and its transpose equal float64, strided and in place") {
  for (const int direction : {1, -1}) {
    for (const auto& c :
         {Heads{1, 1, 2, 0}, Heads{17, 7, 24, 0}, Heads{37, 2, 128, 16}, Heads{3, 16, 80, 0}, Heads{5, 3, 64, 1}}) {
      check_rotation<float, float>(c, direction);
      check_rotation<__nv_bfloat16, float>(c, direction);
      check_rotation<__nv_bfloat16, __nv_bfloat16>(c, direction);
    }
  }
}
