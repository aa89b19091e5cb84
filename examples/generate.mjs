// Samples responses to a question about a picture.
//   node examples/generate.mjs [MODEL_FOLDER]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DataError, loadPolicy, resolveConfig } from "papo";

const picture = join(import.meta.dirname, "digits", "images", "1.png");

// The tiny model that the miniature recipes train; any Qwen2.5-VL folder or hub id does.
const model = process.argv[2] ?? resolveConfig({ extends: "miniature-papo" }).model.path;
const policy = await loadPolicy(model, { minPixels: 784 }); // data.minPixels of those recipes
try {
  // Pictures are files or encoded bytes; they stand where <image> marks are, or before the question.
  const greedy = await policy.generate({ prompt: "How many 0s?", images: [picture], maxTokens: 40 });
  console.log(`greedy: ${greedy.responses[0]?.text}`);

  const sampled = await policy.generate({
    prompt: "<image>Row 3 column 3?",
    images: [readFileSync(picture)],
    ...{ n: 4, temperature: 1, topP: 0.95, maxTokens: 40, seed: 7 },
    signal: AbortSignal.timeout(60_000),
  });
  for (const { text, ids, logProbs, finishReason } of sampled.responses) {
    const logProb = logProbs.reduce((sum, value) => sum + value, 0);
    console.log(`sampled: ${text} (${ids.length} tokens, ${finishReason}, log-prob ${logProb.toFixed(2)})`);
  }
} catch (error) {
  if (!(error instanceof DataError)) throw error;
  console.error(`the picture cannot be used: ${error.message}`);
  process.exitCode = 1;
} finally {
  policy[Symbol.dispose]();
}
