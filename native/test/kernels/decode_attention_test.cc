#include "kernels/decode_attention.cuh"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/mma.cuh"
#include "kernels/vector.cuh"
#include "test/kernels/case.h"

using namespace papo::kernels;
using namespace papo::test;

namespace {

struct Setup {
  std::vector<DecodeGroup> groups;
  int heads, kv_heads, head_size;
  int chunk_keys;
  float scale = 1;  // of the queries; large ones leave one key
};

// A decoding step in exactly sized buffers: pages of all responses shuffled into one pool, nan where no token is.
template <class T>
struct Step {
  Setup setup;
  DecodePlan plan;
  std::vector<Buffer<T>> prompt_keys, prompt_values;
  std::vector<const T*> key_pointers, value_pointers;
  Buffer<T> q, out, key_pages, value_pages;
  Buffer<int32_t> page_table;
  Buffer<float> work;
  int max_pages = 0;

  int64_t kv_size() const { return int64_t{setup.kv_heads} * setup.head_size; }
  int rows() const { return plan.num_rows(); }

  explicit Step(const Setup& s) : setup(s), plan(plan_decode(s.groups, s.heads / s.kv_heads, s.chunk_keys)) {
    int num_pages = 1;  // one that nobody owns
    for (const auto& group : s.groups) {
      prompt_keys.push_back(as<T>(normal(group.prompt_tokens * kv_size(), 100 + prompt_keys.size())));
      prompt_values.push_back(as<T>(normal(group.prompt_tokens * kv_size(), 200 + prompt_keys.size())));
      for (const int tokens : group.own_tokens) {
        num_pages += ceil_div(tokens, kPageTokens);
        max_pages = std::max(max_pages, ceil_div(tokens, kPageTokens));
      }
    }
    for (size_t i = 0; i < s.groups.size(); ++i) {
      key_pointers.push_back(prompt_keys[i].data());
      value_pointers.push_back(prompt_values[i].data());
    }
    const size_t pool = static_cast<size_t>(num_pages) * kPageTokens * kv_size();
    key_pages = as<T>(std::vector<float>(pool, NAN));
    value_pages = key_pages;
    std::vector<int32_t> order(num_pages);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(static_cast<uint32_t>(seed())));
    page_table.assign(static_cast<size_t>(rows()) * max_pages, -1);
    int row = 0, next = 0;
    for (const auto& group : s.groups) {
      for (const int tokens : group.own_tokens) {
        for (int page = 0; page * kPageTokens < tokens; ++page) page_table[row * max_pages + page] = order[next++];
        const auto keys = as<T>(normal(tokens * kv_size(), 300 + row)),
                   values = as<T>(normal(tokens * kv_size(), 400 + row));
        for (int token = 0; token < tokens; ++token) {
          std::copy_n(&keys[token * kv_size()], kv_size(), &key_pages[own_at(row, token)]);
          std::copy_n(&values[token * kv_size()], kv_size(), &value_pages[own_at(row, token)]);
        }
        ++row;
      }
    }
    q = as<T>(normal(static_cast<size_t>(rows()) * s.heads * s.head_size, 1, s.scale));
    out.resize(q.size());
  }

  int64_t own_at(int row, int token) const {
    return (int64_t{page_table[row * max_pages + token / kPageTokens]} * kPageTokens + token % kPageTokens) * kv_size();
  }

  DecodeAttention<T> args() {
    DecodeAttention<T> a{};
    a.q_MHE = q.data();
    a.out_MHE = out.data();
    a.prompt_keys = key_pointers.data();
    a.prompt_values = value_pointers.data();
    a.key_pages = key_pages.data();
    a.value_pages = value_pages.data();
    a.page_table = page_table.data();
    a.max_pages = max_pages;
    a.items = plan.items.data();
    a.first_part = plan.first_part.data();
    a.num_items = static_cast<int>(plan.items.size());
    a.num_rows = rows();
    a.num_parts = plan.num_parts();
    a.heads = setup.heads;
    a.kv_heads = setup.kv_heads;
    a.head_size = setup.head_size;
    work.assign(decode_work_floats(a), NAN);
    a.work = work.data();
    return a;
  }

  std::vector<double> expected() const {
    std::vector<double> result;
    const int size = setup.head_size;
    int row = 0;
    for (size_t group = 0; group < setup.groups.size(); ++group) {
      for (const int own_tokens : setup.groups[group].own_tokens) {
        const int prompt_tokens = setup.groups[group].prompt_tokens;
        for (int head = 0; head < setup.heads; ++head) {
          const int kv_head = head / (setup.heads / setup.kv_heads);
          const T* query = &q[(static_cast<size_t>(row) * setup.heads + head) * size];
          const auto at = [&](int key, const Buffer<T>& prompt, const Buffer<T>& pages) {
            return key < prompt_tokens ? &prompt[key * kv_size() + kv_head * size]
                                       : &pages[own_at(row, key - prompt_tokens) + kv_head * size];
          };
          std::vector<double> weights(prompt_tokens + own_tokens), sums(size);
          for (size_t key = 0; key < weights.size(); ++key) {
            const T* k = at(static_cast<int>(key), prompt_keys[group], key_pages);
            for (int e = 0; e < size; ++e) weights[key] += wide(query[e]) * wide(k[e]);
            weights[key] /= std::sqrt(size);
          }
          const double top = *std::max_element(weights.begin(), weights.end());
          double total = 0;
          for (auto& weight : weights) total += weight = std::exp(weight - top);
          for (size_t key = 0; key < weights.size(); ++key) {
            const T* v = at(static_cast<int>(key), prompt_values[group], value_pages);
            for (int e = 0; e < size; ++e) sums[e] += weights[key] / total * wide(v[e]);
          }
          result.insert(result.end(), sums.begin(), sums.end());
        }
        ++row;
      }
    }
    return result;
  }
};

template <class T>
void expect_attention(const Setup& setup, const std::string& what, double tolerance = kTolerance<T>) {
  Step<T> step(setup);
  expect_launched(decode_attention(step.args(), nullptr));
  expect_close(step.out, step.expected(), tolerance, what + " in " + kTypeName<T>);
}

// One product of a [16, 16] and b [16, 8], both row-major.
__global__ void product_kernel(const float* a, const float* b, float* product) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const auto pair_of_a = [&](int row, int column) {
    return pack_bfloat16(a[row * 16 + column], a[row * 16 + column + 1]);
  };
  const auto pair_of_b = [&](int row) { return pack_bfloat16(b[row * 8 + g], b[(row + 1) * 8 + g]); };
  float sums[4] = {1, 1, 1, 1};
  mma_16x8x16(sums,
              {pair_of_a(g, 2 * t), pair_of_a(g + 8, 2 * t), pair_of_a(g, 2 * t + 8), pair_of_a(g + 8, 2 * t + 8)},
              {pair_of_b(2 * t), pair_of_b(2 * t + 8)});
  for (int i = 0; i < 4; ++i) product[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

// Prompts of 1 and 1000 tokens, groups of 1 and 5, responses around the size of a page.
const std::vector<DecodeGroup> kGroups{{1, {64}}, {1000, {1, 63, 64, 65, 200}}, {37, {65}}};

}  // namespace

PAPO_CASE("a product of the tensor cores is a product of matrices, added to what is there") {
  const auto a = as<__nv_bfloat16>(normal(16 * 16, 1)), b = as<__nv_bfloat16>(normal(16 * 8, 2));
  const auto wide_a = widened(a), wide_b = widened(b);
  std::vector<double> expected(16 * 8, 1);
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column)
      for (int k = 0; k < 16; ++k) expected[row * 8 + column] += wide_a[row * 16 + k] * wide_b[k * 8 + column];
  const Buffer<float> a_float(wide_a.begin(), wide_a.end()), b_float(wide_b.begin(), wide_b.end());
  Buffer<float> product(16 * 8);
  expect_launched(PAPO_LAUNCH(product_kernel, 1, 32, nullptr, a_float.data(), b_float.data(), product.data()));
  expect_close(product, expected, 1e-6, "product");
}

PAPO_CASE("decode attention is softmax over the prompt and the own tokens, heads of 64") {
  expect_attention<float>({kGroups, 4, 2, 64, 256}, "4 heads of 64 on 2");
  expect_attention<__nv_bfloat16>({kGroups, 4, 2, 64, 256}, "4 heads of 64 on 2");
}
PAPO_CASE("decode attention is softmax over the prompt and the own tokens, heads of 80") {
  expect_attention<float>({kGroups, 3, 3, 80, 128}, "3 heads of 80");
  expect_attention<__nv_bfloat16>({kGroups, 3, 1, 80, 128}, "3 heads of 80 on 1");
}
PAPO_CASE("decode attention is softmax over the prompt and the own tokens, heads of 128") {
  expect_attention<float>({kGroups, 7, 1, 128, 512}, "7 heads of 128 on 1");
  expect_attention<__nv_bfloat16>({kGroups, 8, 1, 128, 512}, "8 heads of 128 on 1");
}

PAPO_CASE("a group of more queries than share a reading is cut between rows") {
  // 17 heads a key/value head: 2 rows a block, 3 blocks for 5 rows; 48 fill a block with one row.
  expect_attention<float>({{{70, {3, 4, 5, 6, 7}}}, 17, 1, 64, 64}, "17 heads on 1");
  expect_attention<__nv_bfloat16>({{{70, {3, 4}}}, 48, 1, 64, 64}, "48 heads on 1");
}

PAPO_CASE("one key that outweighs all others is taken whole, wherever its part is") {
  // Scores of some hundreds are rounded to 1e-5 or so, and the weights with them.
  expect_attention<float>({{{130, {70, 1}}}, 2, 1, 64, 64, 300.0f}, "large scores", 3e-4);
  expect_attention<__nv_bfloat16>({{{130, {70, 1}}}, 2, 1, 64, 64, 300.0f}, "large scores");
}

PAPO_CASE("decode attention repeats bit for bit, and other groups do not change it") {
  Step<__nv_bfloat16> alone({{{100, {65, 2}}}, 4, 2, 64, 64});
  expect_launched(decode_attention(alone.args(), nullptr));
  const auto first = widened(alone.out);
  expect_launched(decode_attention(alone.args(), nullptr));
  expect_close(alone.out, first, 0, "again");

  Step<__nv_bfloat16> beside({{{100, {65, 2}}, {3, {1}}}, 4, 2, 64, 64});
  expect_launched(decode_attention(beside.args(), nullptr));
  auto shared = widened(beside.out);
  shared.resize(first.size());
  expect(shared == first, "the same bits beside another group");
}

PAPO_CASE("idle blocks and spare parts change nothing") {
  const auto run = [&](auto type) {
    using T = decltype(type);
    Step<T> step({kGroups, 4, 2, 64, 64});
    expect_launched(decode_attention(step.args(), nullptr));
    const auto expected = widened(step.out);
    step.plan.items.resize(step.plan.items.size() + 5);
    auto args = step.args();
    args.num_parts += 7;
    step.work.assign(decode_work_floats(args), NAN);
    args.work = step.work.data();
    step.out.assign(step.out.size(), T{});
    expect_launched(decode_attention(args, nullptr));
    expect_close(step.out, expected, 0, std::string("idle blocks in ") + kTypeName<T>);
  };
  run(float{});
  run(__nv_bfloat16{});
}

PAPO_CASE("kv_write puts the newest token into its page and touches nothing else") {
  const int rows = 3, kv_size = 2 * 80, pages = 5;
  const Buffer<int32_t> tokens{0, 63, 64}, table{4, -1, 0, -1, 2, 3};
  const auto k = as<__nv_bfloat16>(normal(rows * kv_size, 1)), v = as<__nv_bfloat16>(normal(rows * kv_size, 2));
  Buffer<__nv_bfloat16> key_pages(pages * kPageTokens * kv_size), value_pages = key_pages;
  auto expected_keys = widened(key_pages), expected_values = expected_keys;
  const int slots[] = {4 * kPageTokens, 0 * kPageTokens + 63, 3 * kPageTokens};
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < kv_size; ++i) {
      expected_keys[slots[row] * kv_size + i] = wide(k[row * kv_size + i]);
      expected_values[slots[row] * kv_size + i] = wide(v[row * kv_size + i]);
    }
  }
  expect_launched(kv_write(k.data(), v.data(), tokens.data(), table.data(), 2, rows, kv_size, key_pages.data(),
                           value_pages.data(), nullptr));
  expect_close(key_pages, expected_keys, 0, "keys");
  expect_close(value_pages, expected_values, 0, "values");
}

PAPO_CASE("the plan covers every key of every row once") {
  const DecodePlan plan = plan_decode(kGroups, 17, 64);  // 2 rows an item
  std::vector<std::vector<int>> covered(plan.num_rows()), parts(plan.num_rows());
  std::vector<int> lengths;
  for (const auto& group : kGroups)
    for (const int own : group.own_tokens) lengths.push_back(group.prompt_tokens + own);
  for (const auto& item : plan.items) {
    expect(item.num_rows >= 1 && item.num_rows <= 2 && item.first_key % kPageTokens == 0, "rows and first key");
    for (int row = item.row; row < item.row + item.num_rows; ++row) {
      covered[row].push_back(item.num_keys);
      parts[row].push_back(item.part);
    }
  }
  for (int row = 0; row < plan.num_rows(); ++row) {
    expect(std::accumulate(covered[row].begin(), covered[row].end(), 0) == lengths[row], "all keys of the row");
    std::sort(parts[row].begin(), parts[row].end());
    std::vector<int> all(plan.first_part[row + 1] - plan.first_part[row]);
    std::iota(all.begin(), all.end(), 0);
    expect(parts[row] == all, "each part once");
  }
}

PAPO_CASE("decode attention refuses shapes it has no kernel for") {
  Step<float> step({{{3, {1}}}, 4, 2, 64, 64});
  auto args = step.args();
  args.head_size = 72;
  expect(decode_attention(args, nullptr) == cudaErrorInvalidValue, "an error for heads of 72");
  args = step.args();
  args.kv_heads = 3;
  expect(decode_attention(args, nullptr) == cudaErrorInvalidValue, "an error for 4 heads on 3");
}
