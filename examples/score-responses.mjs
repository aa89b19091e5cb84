// Scores responses token by token: log-probs, entropies, and what masking the picture changes (KL_prcp).
//   node examples/score-responses.mjs [MODEL_FOLDER]
import { join } from "node:path";
import { loadPolicy, resolveConfig } from "papo";

const question = { prompt: "Sum of row 2?", images: [join(import.meta.dirname, "digits", "images", "3.png")] };

// The tiny model that the miniature recipes train; any Qwen2.5-VL folder or hub id does.
const model = process.argv[2] ?? resolveConfig({ extends: "miniature-papo" }).model.path;
const policy = await loadPolicy(model, { minPixels: 784 }); // data.minPixels of those recipes
try {
  const { responses } = await policy.generate({ ...question, n: 2, temperature: 1, maxTokens: 40, seed: 1 });
  const scored = await policy.score({
    ...question,
    // Ids as they were sampled, and a text of one's own that ends as a response does.
    responses: [...responses.map(({ ids }) => ids), "<think>813. 8+1+3=12</think>\\boxed{12}<|im_end|>"],
    mask: { ratio: 0.6, seed: 1 },
  });
  for (const [index, { ids, logProbs, entropies, masked }] of scored.entries()) {
    console.log(`\nresponse ${index + 1}: ${responses[index]?.text ?? "not sampled"}`);
    console.log("token   sampled   picture    masked   entropy log-ratio   KL (k3)");
    for (const [at, id] of ids.entries()) {
      const sampled = responses[index]?.logProbs;
      const values = [sampled, logProbs, masked?.logProbs, entropies, masked?.logRatio, masked?.klPrcp];
      console.log(String(id).padStart(5) + values.map((numbers) => cell(numbers?.[at])).join(""));
    }
    const total = masked?.klPrcp.reduce((sum, kl) => sum + kl, 0) ?? 0;
    console.log(`mean KL_prcp ${(total / ids.length).toFixed(4)} nats a token`);
  }
} finally {
  policy[Symbol.dispose]();
}

/** @param {number | undefined} value in nats */
function cell(value) {
  return (value?.toFixed(4) ?? "-").padStart(10);
}
