// The study in the miniature world: its sizes in one place, and how its runs are made.
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { loadRunConfig } from "../config/load.ts";
import { type Benchmark, evalRowId } from "../eval/benchmarks/benchmark.ts";
import { resolveBenchmarks } from "../eval/benchmarks/registry.ts";
import { defaultSettings } from "../eval/benchmarks/settings.ts";
import { fingerprint } from "../eval/fingerprint.ts";
import { classifyResponse } from "../miniature/classify.ts";
import { type MiniatureOptions, miniatureItems, writeMiniature } from "../miniature/dataset.ts";
import { type Question, reasoningKinds } from "../miniature/questions.ts";
import { faintInk } from "../miniature/scene.ts";
import type { Classifier, EvaluationPlan, Study } from "./study.ts";

export interface MiniatureStudy {
  /** Of each run. */
  readonly steps: number;
  /** Of libtorch, whose sums over threads differ in their last digits: with a fixed number, runs can be repeated. */
  readonly threads: number;
  /** `key=value` words over each recipe. */
  readonly settings: readonly string[];
  /** Of training and evaluation alike. */
  readonly world: Pick<MiniatureOptions, "ink" | "kinds" | "rows" | "columns">;
  /** A run's seed is its training questions' too: all methods have the same ones. */
  readonly training: Pick<MiniatureOptions, "count" | "hintShare">;
  /** The same questions for every run, asked with the run's seed. */
  readonly evaluation: {
    /** With the hint in general, without it in vision-dependent. */
    readonly benchmarks: readonly string[];
    readonly rows: number;
    readonly seed: number;
    readonly n: number;
  };
}

/** What `papo reproduce --scale mini` runs. */
export const miniatureStudy: MiniatureStudy = {
  steps: 60,
  threads: 1, // two processes on two cores are faster than one with two threads
  // Dynamic sampling asks several times as many questions as it keeps, and goes over them more than once.
  settings: ["data.maxPromptLength=96", "data.rolloutBatchSize=32", "trainer.totalEpochs=4"],
  world: { ink: faintInk, kinds: reasoningKinds },
  // The words of nine training questions in ten tell the digits too, so that few rewards ask for the picture. With one in
  // two, rewards teach reading by themselves; with all, dynamic sampling runs out of questions (docs/miniature-study.md).
  training: { count: 60 * 32 * 4, hintShare: 0.9 },
  evaluation: { benchmarks: ["mini-general", "mini-vision"], rows: 200, seed: 1, n: 8 },
};

export function miniatureStudyOf(sizes: MiniatureStudy): Study {
  const { steps, threads, settings, world, training } = sizes;
  return {
    scale: "mini",
    keepsModels: false,
    configOf: ({ recipe, overrides }, seed, work) =>
      loadRunConfig([
        ...[recipe, "trainer.saveFreq=10", "trainer.saveLimit=1", "trainer.samplesPerStep=1"],
        ...["trainer.loggers=[console,jsonl]", "data.val=null", ...settings, ...overrides],
        ...[`seed=${seed}`, `trainer.maxSteps=${steps}`, `data.train=${quoted(dataFile(work))}`],
        ...[`trainer.threads=${threads}`, `trainer.outDir=${quoted(join(work, "run"))}`],
      ]),
    sourcesOf: async (_run, { model }) => ({ model: await fingerprint(model.path), train: { ...world, ...training } }),
    stepsOf: () => steps,
    prepare: async ({ seed }, work) => {
      if (existsSync(dataFile(work))) return;
      const unfinished = join(work, ".tmp-data");
      await rm(unfinished, { recursive: true, force: true });
      await writeMiniature(unfinished, { ...world, ...training, split: "rl", seed });
      await rename(unfinished, join(work, "data"));
    },
    evaluationOf: ({ seed, data }) => ({
      benchmarks: benchmarksOf(sizes),
      settings: {
        ...{ ...defaultSettings, seed, n: sizes.evaluation.n },
        ...{ maxTokens: data.maxResponseLength, maxPromptTokens: data.maxPromptLength },
        ...{ minPixels: data.minPixels, maxPixels: data.maxPixels },
      },
      engine: { threads },
    }),
    classifierOf,
  };
}

const quoted = (path: string) => JSON.stringify(path);
const dataFile = (work: string) => join(work, "data", "rl.jsonl");

function benchmarksOf({ world, evaluation: { benchmarks, rows, seed } }: MiniatureStudy): Benchmark[] {
  return resolveBenchmarks(benchmarks.join(",")).map((benchmark): Benchmark => {
    const { miniature } = benchmark;
    if (!miniature)
      throw new RangeError(`[benchmarksOf] expected a benchmark of the miniature world, got ${benchmark.id}`);
    const { ink = miniature.ink, rows: height = miniature.rows, columns = miniature.columns, kinds } = world;
    const scene = { ...miniature, seed, count: rows, ink, rows: height, columns };
    return { ...benchmark, rows, miniature: kinds ? { ...scene, kinds: [...kinds] } : scene };
  });
}

function classifierOf({ benchmarks }: EvaluationPlan): Classifier {
  const questions = new Map<string, Question>();
  for (const { id, miniature } of benchmarks) {
    const { kinds, ...scene } = {
      kinds: undefined,
      ...miniature,
      count: miniature?.count ?? 0,
      seed: miniature?.seed ?? 0,
    };
    for (const item of miniatureItems({ split: "eval", ...scene, ...(kinds ? { kinds } : {}) }))
      questions.set(evalRowId(id, item.id), item.question);
  }
  return (id, text) => {
    const question = questions.get(id);
    if (!question) throw new RangeError(`[classifierOf] id: expected a row of the miniature world, got ${id}`);
    return classifyResponse(question, text);
  };
}
