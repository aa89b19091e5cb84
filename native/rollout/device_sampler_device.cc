#include "rollout/device_sampler.h"

#include "core/kernel_call.h"
#include "kernels/sampler.cuh"

namespace papo {

SampledTokens sample_on_device(const at::Tensor& logits_MV, const std::vector<SampleRow>& rows,
                               const SamplingSpec& spec, const std::vector<int64_t>& forbidden_ids) {
  static_assert(sizeof(kernels::SampleDraw) == 3 * sizeof(int64_t));
  const auto count = static_cast<int64_t>(rows.size());
  std::vector<int64_t> draws;
  for (const auto& row : rows)
    for (const uint64_t word : {row.stream->key(), row.stream->stream(), row.position})
      draws.push_back(static_cast<int64_t>(word));
  const auto draws_M = to_device(draws);
  std::vector<int32_t> ids(forbidden_ids.begin(), forbidden_ids.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const auto forbidden = to_device(ids);
  // One copy back: tokens, log-probs and the first bad row, as 32-bit words.
  const auto words =
      at::full({3 * count + 1}, std::numeric_limits<int32_t>::max(), logits_MV.options().dtype(at::kInt));
  auto* out = kernel_data<int32_t>(words);
  const kernels::SamplerSpec sampler{spec.temperature, spec.top_p, std::max<int64_t>(0, spec.top_k),
                                     kernel_data<int32_t>(forbidden), static_cast<int>(ids.size())};
  launched(kernels::sample_tokens(kernel_data<float>(logits_MV), static_cast<int>(count),
                                  static_cast<int>(logits_MV.size(1)),
                                  reinterpret_cast<const kernels::SampleDraw*>(kernel_data<int64_t>(draws_M)), sampler,
                                  reinterpret_cast<int64_t*>(out), reinterpret_cast<float*>(out + 2 * count),
                                  out + 3 * count, kernel_stream(logits_MV)),
           "sample_tokens");
  const auto read = to_host(words);
  const auto* word = read.data_ptr<int32_t>();
  const int32_t bad = word[3 * count];
  if (bad < count)
    throw rows[bad].failed({"E_NONFINITE", "sample_token",
                            "the logits of token " + std::to_string(rows[bad].position) + " are not finite"});
  SampledTokens sampled{std::vector<int64_t>(count), std::vector<float>(count)};
  std::memcpy(sampled.ids.data(), word, count * sizeof(int64_t));
  std::memcpy(sampled.log_probs.data(), word + 2 * count, count * sizeof(float));
  return sampled;
}

}  // namespace papo
