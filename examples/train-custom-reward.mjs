// Trains the shipped tiny model for three steps with a reward of one's own: right answers, and fewer words.
//   node examples/train-custom-reward.mjs [RUN_FOLDER]
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveConfig, train } from "papo";

const maxResponseLength = 40;

/**
 * Called once a response; may be async, to ask a judge for example. `overall` is what training raises, the other parts
 * are logged as reward/<part>.
 * @type {import("papo").RewardFunction}
 */
function rightAndShort({ response, responseLength, answer, extra }) {
  const accuracy = response.includes(`\\boxed{${answer}}`) ? 1 : 0;
  const brevity = 1 - responseLength / maxResponseLength;
  const reading = readsOne(response, extra["grid"]) ? 1 : 0;
  return { overall: 0.8 * accuracy + 0.1 * brevity + 0.1 * reading, accuracy, brevity, reading };
}

/**
 * Whether the response spells one of the picture's rows, which the data set has in its column `grid`.
 * @param {string} response
 * @param {unknown} grid
 */
function readsOne(response, grid) {
  return Array.isArray(grid) && grid.some((row) => response.includes(String(row).replaceAll(" ", "")));
}

// What a YAML file would hold, over a shipped recipe; every setting is typed.
const config = resolveConfig({
  extends: "miniature-papo",
  data: { train: join(import.meta.dirname, "digits", "rows.jsonl"), rolloutBatchSize: 4, maxResponseLength },
  optim: { globalBatchSize: 4 },
  rollout: { n: 4 },
  trainer: {
    maxSteps: 3,
    totalEpochs: 2,
    loggers: ["jsonl"],
    outDir: process.argv[2] ?? join(mkdtempSync(join(tmpdir(), "papo-")), "run"),
  },
});

const result = await train(config, {
  reward: rightAndShort,
  onStep: (step, metrics) => {
    const parts = ["overall", "accuracy", "brevity", "reading"].map(
      (part) => `${part} ${metrics[`reward/${part}`]?.toFixed(3) ?? "-"}`,
    );
    console.log(`step ${step}: ${parts.join(", ")}`);
  },
});
console.log(`run folder: ${result.runDir}`);
console.log(`checkpoint: ${result.checkpoints.at(-1)?.dir ?? "none"}`);
