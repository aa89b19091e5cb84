// Chunks of logits with the rows that break softmaxes, and float64 softmaxes to compare with.
#pragma once

#include <algorithm>
#include <limits>

#include "test/kernels/case.h"

namespace papo::test {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Row 1 (of three or more) is -inf but for one column, which keeps its value; row 2 has a third of -inf.
inline std::vector<float> logits_with_gaps(int64_t rows, int vocab, uint64_t stream, float scale, int kept) {
  auto logits = normal(rows * vocab, stream, scale);
  if (rows < 3) return logits;
  for (int v = 0; v < vocab; ++v) {
    if (v != kept) logits[vocab + v] = -kInf;
    if (v % 3 == 1) logits[2 * vocab + v] = -kInf;
  }
  return logits;
}

struct Softmax {
  double lse = 0, entropy = 0;
  std::vector<double> log_p, p;
};
template <class T>
Softmax softmax(const T* logits, int vocab, double temperature) {
  Softmax out;
  double top = -kInf, sum = 0;
  for (int v = 0; v < vocab; ++v) top = std::max(top, wide(logits[v]) / temperature);
  for (int v = 0; v < vocab; ++v) sum += std::exp(wide(logits[v]) / temperature - top);
  out.lse = top + std::log(sum);
  for (int v = 0; v < vocab; ++v) {
    out.log_p.push_back(wide(logits[v]) / temperature - out.lse);
    out.p.push_back(std::exp(out.log_p.back()));
    if (out.p.back() > 0) out.entropy -= out.p.back() * out.log_p.back();
  }
  return out;
}

}  // namespace papo::test
