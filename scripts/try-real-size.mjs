// Loads a checkpoint of real size, generates 8 tokens for a picture and scores one group on it; prints seconds, and peak
// memory as copies of the weights.
// usage: node scripts/try-real-size.mjs CHECKPOINT_DIR PICTURE      (after `npm run setup`)
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { openModel, openProcessor } from "../dist/eval/open-model.js";
import { callNative } from "../dist/native/call.js";
import { loadNative } from "../dist/native/load.js";
import { groupInput } from "../dist/rollout/rollout.js";

const [dir, picture] = process.argv.slice(2);
if (dir === undefined || picture === undefined) {
  console.error("usage: node scripts/try-real-size.mjs CHECKPOINT_DIR PICTURE");
  process.exit(2);
}

const sizes = readdirSync(dir).filter((name) => name.endsWith(".safetensors"));
const weightBytes = sizes.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? NaN) * 1024;

async function timed(name, work) {
  const start = performance.now();
  const result = await work();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const copies = (peakBytes() / weightBytes).toFixed(3);
  console.log(`${name}: ${seconds} s, peak memory so far ${(peakBytes() / 1e9).toFixed(2)} GB = ${copies} copies`);
  return result;
}

const n = 5;
const opened = await openProcessor(dir, { formatPrompt: "math_perception", minPixels: 200_704, maxPixels: 1_003_520 });
const model = await timed("load", () => openModel(opened, { maxTokens: 8 }));
const example = {
  id: "x",
  problem: "<image>What is shown?",
  answer: "",
  images: [{ path: picture }],
  file: "",
  row: 1,
  extra: {},
};
const prompt = await opened.processor.prepare(example);
console.log(`prompt of ${prompt.ids.length} tokens, picture of ${prompt.imageGridThw[0]} patches`);
const sampling = { n, temperature: 1, topP: 1, topK: -1 };
const groups = await timed(`generate ${n} x 8 tokens`, () =>
  model.rollout.generate([prompt], { sampling, purpose: "generate", step: 0 }),
);
const native = loadNative();
const options = { temperature: 1, entropy: false, maxTokens: 16_384 };
const logProbs = await timed("score the group", () =>
  callNative({}, (watch) =>
    native.computeLogProbs(model.policy.handle, native.createBatch(groups.map(groupInput)), options, watch),
  ),
);
const values = await native.logProbValues(logProbs);
console.log(
  `mean log-prob of ${values.length} tokens: ${(values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3)}`,
);
