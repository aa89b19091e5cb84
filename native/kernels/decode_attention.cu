#include "kernels/decode_attention.cuh"

#include "kernels/decode_parts_bf16.cuh"
#include "kernels/decode_parts_f32.cuh"

namespace papo::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// A warp a row and head, eight numbers a lane; parts in their order.
template <class T>
__global__ void __launch_bounds__(kThreads) merge_parts_kernel(DecodeAttention<T> p) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  const int64_t row = index / p.heads, head = index % p.heads;
  const int e = threadIdx.x % kWarp * kEight;
  if (row >= p.num_rows || e >= p.head_size) return;
  const PartOutput parts = part_output(p);
  const int begin = p.first_part[row], end = p.first_part[row + 1];
  float top = -INFINITY;
  for (int part = begin; part < end; ++part)
    top = fmaxf(top, parts.maxima[static_cast<int64_t>(part) * p.heads + head]);
  Eight out{};
  float total = 0;
  for (int part = begin; part < end; ++part) {
    const int64_t place = static_cast<int64_t>(part) * p.heads + head;
    const float share = __expf(parts.maxima[place] - top);
    const Eight values = load_eight(parts.values + place * p.head_size + e);
    total += share * parts.totals[place];
#pragma unroll
    for (int j = 0; j < kEight; ++j) out[j] += share * values[j];
  }
#pragma unroll
  for (int j = 0; j < kEight; ++j) out[j] /= total;
  store_eight(p.out_MHE + index * p.head_size + e, out);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    kv_write_kernel(const T* k_MKE, const T* v_MKE, const int32_t* tokens_M, const int32_t* page_table, int max_pages,
                    int kv_size, T* key_pages, T* value_pages) {
  const int row = blockIdx.x, token = tokens_M[row];
  const int64_t page = page_table[static_cast<int64_t>(row) * max_pages + token / kPageTokens];
  const int64_t from = static_cast<int64_t>(row) * kv_size, to = (page * kPageTokens + token % kPageTokens) * kv_size;
#pragma unroll 1
  for (int i = threadIdx.x * kVector<T>; i < kv_size; i += kThreads * kVector<T>) {
    *reinterpret_cast<uint4*>(key_pages + to + i) = *reinterpret_cast<const uint4*>(k_MKE + from + i);
    *reinterpret_cast<uint4*>(value_pages + to + i) = *reinterpret_cast<const uint4*>(v_MKE + from + i);
  }
}

template <int E>
cudaError_t launch_parts(const DecodeAttention<float>& args, dim3 grid, cudaStream_t stream) {
  return PAPO_LAUNCH(decode_parts_f32_kernel<E>, grid, PartsF32<E>::kThreads, stream, args);
}
template <int E>
cudaError_t launch_parts(const DecodeAttention<__nv_bfloat16>& args, dim3 grid, cudaStream_t stream) {
  return PAPO_LAUNCH(decode_parts_bf16_kernel<E>, grid, PartsBf16<E>::kThreads, stream, args);
}

}  // namespace

DecodePlan plan_decode(const std::vector<DecodeGroup>& groups, int heads_per_kv, int chunk_keys) {
  DecodePlan plan;
  plan.first_part.push_back(0);
  const int rows_per_item = kMaxSharedQueries / heads_per_kv < 1 ? 1 : kMaxSharedQueries / heads_per_kv;
  int32_t group_row = 0;
  for (int32_t group = 0; group < static_cast<int32_t>(groups.size()); ++group) {
    const auto& [prompt_tokens, own_tokens] = groups[group];
    const int32_t rows = static_cast<int32_t>(own_tokens.size());
    const int32_t prompt_parts = ceil_div(prompt_tokens, chunk_keys);
    const auto chunks = [&](int32_t tokens, const auto& add) {
      for (int32_t key = 0; key < tokens; key += chunk_keys)
        add(key, tokens - key < chunk_keys ? tokens - key : chunk_keys);
    };
    chunks(prompt_tokens, [&](int32_t key, int32_t count) {
      for (int32_t row = 0; row < rows; row += rows_per_item)
        plan.items.push_back({group, group_row + row, rows - row < rows_per_item ? rows - row : rows_per_item, key,
                              count, key / chunk_keys});
    });
    for (int32_t row = 0; row < rows; ++row) {
      chunks(own_tokens[row], [&](int32_t key, int32_t count) {
        plan.items.push_back({-1, group_row + row, 1, key, count, prompt_parts + key / chunk_keys});
      });
      plan.first_part.push_back(plan.first_part.back() + prompt_parts + ceil_div(own_tokens[row], chunk_keys));
    }
    group_row += rows;
  }
  return plan;
}

template <class T>
cudaError_t decode_attention(const DecodeAttention<T>& args, cudaStream_t stream) {
  if (args.num_rows == 0) return cudaSuccess;
  if (args.heads % args.kv_heads != 0 || args.heads / args.kv_heads > kMaxSharedQueries) return cudaErrorInvalidValue;
  const dim3 grid(static_cast<unsigned>(args.num_items), static_cast<unsigned>(args.kv_heads));
  cudaError_t error = cudaErrorInvalidValue;
  if (args.head_size == 64) error = launch_parts<64>(args, grid, stream);
  if (args.head_size == 80) error = launch_parts<80>(args, grid, stream);
  if (args.head_size == 128) error = launch_parts<128>(args, grid, stream);
  if (error != cudaSuccess) return error;
  const int64_t warps = static_cast<int64_t>(args.num_rows) * args.heads;
  const unsigned blocks = static_cast<unsigned>(ceil_div<int64_t>(warps, kWarps));
  return PAPO_LAUNCH(merge_parts_kernel<T>, blocks, kThreads, stream, args);
}
template cudaError_t decode_attention(const DecodeAttention<float>&, cudaStream_t);
template cudaError_t decode_attention(const DecodeAttention<__nv_bfloat16>&, cudaStream_t);

KernelCost decode_attention_cost(const DecodePlan& plan, int heads, int kv_heads, int head_size, int bytes_per_number) {
  double keys = 0, pairs = 0;
  for (const auto& item : plan.items) {
    keys += item.num_keys;
    pairs += static_cast<double>(item.num_keys) * item.num_rows * heads;
  }
  const double queries = static_cast<double>(plan.num_rows()) * heads;
  const double parts = static_cast<double>(plan.num_parts()) * heads;
  return {2.0 * keys * kv_heads * head_size * bytes_per_number + 2.0 * queries * head_size * bytes_per_number +
              2.0 * parts * (head_size + 2) * 4,
          4.0 * pairs * head_size};
}

template <class T>
cudaError_t kv_write(const T* k_MKE, const T* v_MKE, const int32_t* tokens_M, const int32_t* page_table, int max_pages,
                     int rows, int kv_size, T* key_pages, T* value_pages, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  if (kv_size % kVector<T> != 0) return cudaErrorInvalidValue;
  return PAPO_LAUNCH(kv_write_kernel<T>, rows, kThreads, stream, k_MKE, v_MKE, tokens_M, page_table, max_pages, kv_size,
                     key_pages, value_pages);
}
template cudaError_t kv_write(const float*, const float*, const int32_t*, const int32_t*, int, int, int, float*, float*,
                              cudaStream_t);
template cudaError_t kv_write(const __nv_bfloat16*, const __nv_bfloat16*, const int32_t*, const int32_t*, int, int, int,
                              __nv_bfloat16*, __nv_bfloat16*, cudaStream_t);

KernelCost kv_write_cost(int rows, int kv_size, int bytes_per_number) {
  return {4.0 * rows * kv_size * bytes_per_number, 0};
}

}  // namespace papo::kernels
