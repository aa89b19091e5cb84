// Makes lib/miniature/checkpoint: the tiny Qwen2.5-VL, warm-started with `papo sft` on the miniature world until it knows
// how to answer and its wrong answers are mostly misread digits. Transcribing whole grids comes first: with all kinds of
// question from the start the model stays blind and guesses digits. About 15 minutes on two cores; committed, so that
// nothing but this script needs it.
// usage: node scripts/make-warm-start.mjs [OUT_DIR] [--work DIR]      (after `npm run setup`)
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runConfigOf } from "../dist/config/load.js";
import { writeMiniature } from "../dist/miniature/dataset.js";
import { writeTinyModel } from "../dist/miniature/model.js";
import { Policy } from "../dist/policy/policy.js";
import { trainSupervised } from "../dist/trainer/sft.js";

const { positionals, values } = parseArgs({ allowPositionals: true, options: { work: { type: "string" } } });
const out = positionals[0] ?? join(import.meta.dirname, "..", "lib", "miniature", "checkpoint");
const work = values.work ?? mkdtempSync(join(tmpdir(), "papo-warm-start-"));

/** Trains `model` on a data set of the `sft` split and gives the new checkpoint's folder. */
async function stage(name, model, { steps, schedule, seed, kinds, hintShare = 0 }) {
  const count = 32 * steps; // every question once: repeated ones are learnt by heart
  const train = await writeMiniature(join(work, `${name}-data`), {
    split: "sft",
    seed,
    count,
    hintShare,
    ...(kinds && { kinds }),
  });
  const config = runConfigOf(
    {
      seed: 1,
      model: { path: model, activationCheckpoint: false },
      data: {
        train,
        promptKey: "problem",
        maxPromptLength: 96,
        maxResponseLength: 48,
        rolloutBatchSize: 32,
        minPixels: 784,
      },
      optim: { lr: 1e-3, warmupSteps: 50, schedule, globalBatchSize: 32, microBatchTokens: 4096 },
      trainer: { totalEpochs: 100, maxSteps: steps, saveFreq: 300, outDir: join(work, name), experimentName: name },
    },
    { groups: false },
  );
  return (await trainSupervised(config)).checkpointDir;
}

const init = join(work, "init");
await writeTinyModel(init, 1);
const reading = await stage("reading", init, { steps: 900, schedule: "constant", seed: 1, kinds: ["transcribe"] });
const mixture = await stage("mixture", reading, { steps: 3000, schedule: "linear", seed: 2, hintShare: 0.5 });
rmSync(out, { recursive: true, force: true });
const policy = await Policy.open(mixture);
await policy.save(out);
policy[Symbol.dispose]();
if (values.work === undefined) rmSync(work, { recursive: true, force: true });
console.log(out);
