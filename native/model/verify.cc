#include "model/verify.h"

#include "rollout/decoder.h"

namespace papo {
namespace {

double max_abs_difference(const at::Tensor& ours, const at::Tensor& golden) {
  check(ours.sizes() == golden.sizes(), "verify_case", "the golden values have another shape");
  if (ours.numel() == 0) return 0;
  return (ours.to(at::kCPU, at::kDouble) - golden.to(at::kCPU, at::kDouble)).abs().max().item<double>();
}

at::Tensor all_logits(const Policy& policy, const GoldenCase& golden) {
  GroupInput whole{golden.prompt, {}};
  whole.prompt.ids.insert(whole.prompt.ids.end(), golden.response.begin(), golden.response.end());
  const auto packed = pack_groups(policy, {{&whole, nullptr}});
  const auto hidden_TD = qwen2_5_vl::decode_rows(packed.embeds_TD, packed.rows, policy.language, policy.config.text, 0);
  return at::linear(hidden_TD, policy.language.head.value).to(at::kFloat);
}

// Feeds the golden response, the same reversed and the golden one again over one prompt cache; -> the larger error of
// the first and the third.
double decode_error(const Policy& policy, const GoldenCase& golden, bool beside_others) {
  const auto decoder = make_decoder(policy);
  const auto prompt = decoder->open(golden.prompt);
  decoder->prefill(*prompt, prompt->num_tokens);
  std::vector<std::vector<int64_t>> inputs{golden.response};
  if (beside_others) inputs = {golden.response, {golden.response.rbegin(), golden.response.rend()}, golden.response};
  std::vector<std::unique_ptr<DecodingResponse>> responses;
  for (size_t i = 0; i < inputs.size(); ++i) responses.push_back(decoder->begin(*prompt));
  const auto first_row = static_cast<int64_t>(golden.prompt.ids.size()) - 1;
  double worst = max_abs_difference(decoder->logits(prompt->last_hidden_1D)[0], golden.logits_TV[first_row]);
  for (size_t t = 0; t < golden.response.size(); ++t) {
    std::vector<DecodingResponse*> rows;
    std::vector<int64_t> tokens;
    for (size_t i = 0; i < inputs.size(); ++i) {
      rows.push_back(responses[i].get());
      tokens.push_back(inputs[i][t]);
    }
    const auto logits_MV = decoder->step(rows, tokens);
    const auto expected_V = golden.logits_TV[first_row + 1 + static_cast<int64_t>(t)];
    worst =
        std::max({worst, max_abs_difference(logits_MV[0], expected_V), max_abs_difference(logits_MV[-1], expected_V)});
  }
  return worst;
}

std::vector<TensorProbe> probe_gradients(const ParameterStore& store) {
  std::vector<TensorProbe> out;
  for (const auto& entry : store.entries()) {
    if (!store.is_trained(entry)) continue;
    const auto grad = store.grads(entry).flatten().to(at::kDouble);
    const auto wave = at::arange(grad.numel(), grad.options()).cos_();
    out.push_back({entry.name, grad.norm().item<double>(), grad.dot(wave).item<double>()});
  }
  return out;
}

}  // namespace

VerifyReport verify_case(Policy& policy, const GoldenCase& golden) {
  VerifyReport report;
  {
    at::NoGradGuard no_grad;
    if (golden.image_embeds_MD.defined()) {
      const auto pixels = pack_pixels(viewed_images({&golden.prompt, nullptr}));
      report.image_embeds = max_abs_difference(
          qwen2_5_vl::encode_images(pixels.values_PF, pixels.grids, policy.vision, policy.config.vision, 0),
          golden.image_embeds_MD);
    }
    report.logits = max_abs_difference(all_logits(policy, golden), golden.logits_TV);
    report.decode_logits = std::max(decode_error(policy, golden, false), decode_error(policy, golden, true));
  }
  at::AutoGradMode with_grad(true);
  policy.store.zero_grad();
  const GroupInput group{golden.prompt, {golden.response}};
  const auto scores = score_groups(policy, {&group}, 1.0, true, nullptr);
  report.log_probs = max_abs_difference(scores.log_probs_N.detach(), golden.log_probs_R);
  report.entropy = max_abs_difference(scores.entropy_N.detach(), golden.entropy_R);
  torch::autograd::backward({scores.log_probs_N.mean().neg() + 0.1 * scores.entropy_N.mean()}, {});
  report.grads = probe_gradients(policy.store);
  policy.store.zero_grad();
  return report;
}

}  // namespace papo
