// What `papo quickstart` does: makes the miniature world's data, measures the shipped tiny model, trains it, measures
// it again and says what changed. Training is the ordinary trainer on an ordinary run.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { loadRunConfig } from "../config/load.ts";
import type { RunConfig } from "../config/schema.ts";
import { openDataset } from "../data/dataset.ts";
import { ConfigError } from "../errors.ts";
import { Policy } from "../policy/policy.ts";
import { Processor } from "../processor/processor.ts";
import { createReward } from "../reward/reward.ts";
import { Rollout } from "../rollout/rollout.ts";
import { Progress } from "../trainer/progress.ts";
import type { TrainOptions } from "../trainer/open-run.ts";
import { train } from "../trainer/run.ts";
import { writeMiniature } from "./dataset.ts";
import { measure, type Measurement } from "./measure.ts";
import { reasoningKinds } from "./questions.ts";
import { faintInk } from "./scene.ts";

export interface QuickstartOptions extends Pick<TrainOptions, "signal" | "say" | "stdout"> {
  /** Run folder; default: runs/quickstart, or the first of runs/quickstart-2, ... that is free. */
  readonly out?: string | undefined;
  readonly steps: number;
  /** Of the run and of its training questions; the questions that it is measured on are always the same. */
  readonly seed: number;
  /** One of the miniature recipes. */
  readonly recipe: string;
}

export interface QuickstartResult {
  readonly runDir: string;
  readonly checkpointDir: string;
  readonly before: Measurement;
  readonly after: Measurement;
  readonly trainSeconds: number;
}

/** Questions measured on, of handwriting that no training picture shows, and sampled responses to each. */
const evaluation = { count: 300, seed: 1, n: 4 } as const;

/**
 * @throws {ConfigError} when the folder holds something already or the recipe is not one of the miniature world's
 * @throws the signal's abort; a run that has begun can then be resumed with `papo train <out>/config.json --resume`
 */
export async function quickstart(options: QuickstartOptions): Promise<QuickstartResult> {
  const out = options.out === undefined ? freeFolder(resolve("runs", "quickstart")) : resolve(options.out);
  const config = configOf(options, out);
  await mkdir(join(out, "data"), { recursive: true });
  const progress = new Progress();
  await writeData(config, options, progress);
  const before = await measureModel(config, config.model.path, { progress, signal: options.signal });
  options.say?.(`before training: ${sentence(before)}`);
  const startMs = performance.now();
  const { runDir, checkpointDir } = await train(config, options);
  const trainSeconds = (performance.now() - startMs) / 1000;
  const after = await measureModel(config, checkpointDir, { progress, signal: options.signal });
  options.say?.(`after training:  ${sentence(after)}`);
  return { runDir, checkpointDir, before, after, trainSeconds };
}

function freeFolder(base: string): string {
  for (let number = 1; ; number += 1) {
    const dir = number === 1 ? base : `${base}-${number}`;
    if (!existsSync(dir)) return dir;
  }
}

function configOf({ recipe, seed, steps }: QuickstartOptions, out: string): RunConfig {
  if (!recipe.startsWith("miniature-")) {
    throw new ConfigError("recipe", `expected one of the miniature recipes, got ${recipe}`);
  }
  if (existsSync(join(out, "config.json"))) {
    throw new ConfigError(
      "trainer.outDir",
      `${out} holds a run already: go on with papo train ${join(out, "config.json")} --resume, or name another --out`,
    );
  }
  return loadRunConfig([
    recipe,
    `seed=${seed}`,
    `data.train=${dataFile(out, "rl")}`,
    `trainer.maxSteps=${steps}`,
    `trainer.outDir=${out}`,
  ]);
}

function dataFile(out: string, split: "rl" | "eval"): string {
  return join(out, "data", `${split}.jsonl`);
}

async function writeData({ data, trainer }: RunConfig, { seed, steps }: QuickstartOptions, progress: Progress) {
  const dir = join(trainer.outDir, "data");
  const count = steps * data.rolloutBatchSize;
  using phase = progress.phase("drawing pictures", count + evaluation.count, "pictures");
  const { count: evalCount, seed: evalSeed } = evaluation;
  const world = { kinds: reasoningKinds, ink: faintInk };
  await writeMiniature(dir, { ...world, split: "eval", seed: evalSeed, count: evalCount });
  phase.update(evalCount);
  await writeMiniature(dir, { ...world, split: "rl", seed, count });
}

async function measureModel(
  config: RunConfig,
  dir: string,
  { progress, signal }: { progress: Progress; signal: AbortSignal | undefined },
): Promise<Measurement> {
  const { data, rollout, reward, compat, seed, trainer } = config;
  const processor = await Processor.load(dir, data);
  const dataset = await openDataset(dataFile(trainer.outDir, "eval"));
  await using scorer = await createReward(reward, { compat, maxResponseLength: data.maxResponseLength });
  using policy = await Policy.open(dir, { signal });
  const limits = {
    seed,
    maxResponseLength: data.maxResponseLength,
    maxConcurrentResponses: rollout.maxConcurrentResponses,
  };
  const parts = { dataset, processor, scorer, policy, rollout: new Rollout(policy, processor, limits) };
  using phase = progress.phase("measuring", dataset.length * (evaluation.n + 1), "responses");
  return await measure(parts, {
    n: evaluation.n,
    signal,
    progress: (done) => {
      phase.update(done);
    },
  });
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function sentence({ sampledAccuracy, greedyAccuracy }: Measurement): string {
  return `${percent(sampledAccuracy)} of sampled and ${percent(greedyAccuracy)} of greedy responses are right`;
}

/** The closing summary: what changed, where the run is, what to try next. */
export function summaryOf({ runDir, checkpointDir, before, after, trainSeconds }: QuickstartResult): string {
  const line = (name: string, show: (of: Measurement) => string) =>
    `  ${name.padEnd(32)}${show(before).padStart(9)}${show(after).padStart(9)}`;
  return [
    "",
    `  ${"".padEnd(32)}${"before".padStart(9)}${"after".padStart(9)}`,
    line("accuracy, sampled", (of) => percent(of.sampledAccuracy)),
    line("accuracy, greedy", (of) => percent(of.greedyAccuracy)),
    line("entropy, nats a token", (of) => of.entropy.toFixed(3)),
    line("responses with a misread digit", (of) => percent(of.classShares.perception)),
    line("  of all wrong responses", (of) => percent(of.perceptionErrorShare)),
    "",
    `trained for ${Math.round(trainSeconds)} s on pictures of handwriting that the evaluation does not show`,
    `run folder: ${runDir}`,
    `checkpoint: ${checkpointDir}`,
    "",
    "Try on your own data (JSONL or parquet rows of problem, answer and images; see the README):",
    "  papo train qwen2_5_vl_3b_grpo_papo data.train=rows.jsonl data.val=null --out runs/mine",
    `  papo eval --model ${checkpointDir} --data rows.jsonl --n 8 --out runs/mine-eval`,
    `  papo generate --model ${checkpointDir} --image picture.png --prompt "How many 3s?" --min-pixels 784`,
    "",
  ].join("\n");
}
