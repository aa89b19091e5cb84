// Settings of an evaluation over benchmarks: PAPO-Eval's as a preset, and how they differ from a run's training.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadRunConfig } from "../../config/load.ts";
import type { RunConfig } from "../../config/schema.ts";
import { readRunRecord, recordFile } from "../../trainer/run-record.ts";
import type { Benchmark } from "./benchmark.ts";
import { shortHash } from "./item.ts";

/** All that responses and verdicts depend on beside the rows and what answers. */
export interface EvaluationSettings {
  readonly n: number;
  readonly temperature: number;
  readonly topP: number;
  /** -1: all tokens. */
  readonly topK: number;
  readonly maxTokens: number;
  readonly maxPromptTokens: number;
  readonly seed: number;
  /** Null: the chat template's own. */
  readonly system: string | null;
  /** Areas in pixels that pictures are brought to before the model's own resize; null: none. */
  readonly minPixels: number | null;
  readonly maxPixels: number | null;
  /** reference: a missing box counts as the answer "None", as in PAPO-Eval. */
  readonly compat: "none" | "reference";
}

/** Settings where nothing else is asked for. */
export const defaultSettings: EvaluationSettings = {
  n: 8,
  temperature: 1,
  topP: 1,
  topK: -1,
  maxTokens: 2048,
  maxPromptTokens: 32_768,
  seed: 0,
  system: null,
  minPixels: null,
  maxPixels: null,
  compat: "none",
};

/**
 * By name. `paper`: what PAPO-Eval samples with.
 * Differs: it sets no seed, resizes with Pillow inside LLaMA-Factory, and lifts sides under 28 pixels.
 * Source: PAPO-Eval run_infer.py and run_infer.sh; top_k 50 is a default there that no script overrides.
 */
export const settingsPresets = {
  paper: {
    ...defaultSettings,
    topK: 50,
    maxPromptTokens: 9216,
    system: "You are a helpful assistant.",
    minPixels: 32 * 32,
    maxPixels: 768 * 768,
    compat: "reference",
  },
} as const satisfies Record<string, EvaluationSettings>;

/** What of a benchmark decides how its rows are asked and graded; where the rows lie does not. */
function protocolOf({ id, filter, formatPrompt, grader }: Benchmark) {
  return { id, filter, formatPrompt: formatPrompt?.split(/[\\/]/u).at(-1) ?? null, grader };
}

/**
 * The same for two evaluations, or two of the same benchmark, whose numbers may stand side by side; the seed and what
 * answers have no say.
 */
export function settingsFingerprint(settings: EvaluationSettings, benchmark?: Benchmark): string {
  const decisive = Object.entries({ ...settings, ...(benchmark && protocolOf(benchmark)) }).filter(
    ([key]) => key !== "seed",
  );
  return shortHash(decisive.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export interface TrainingDifference {
  /** As the command line names it. */
  readonly setting: string;
  readonly here: number | string | null;
  readonly training: number | string | null;
}

export interface TrainingComparison {
  /** The run's record, or the published recipe. */
  readonly source: string;
  readonly differences: readonly TrainingDifference[];
}

const publishedRecipe = "qwen2_5_vl_3b_grpo";

/** The evaluation's settings beside those that the checkpoint was trained with, or the published ones. */
export async function compareWithTraining(settings: EvaluationSettings, model: string): Promise<TrainingComparison> {
  const run = dirname(dirname(model));
  const isOfRun = existsSync(join(run, recordFile)) && existsSync(join(model, "trainer.json"));
  const config = isOfRun ? ((await readRunRecord(run)).config as RunConfig) : loadRunConfig([publishedRecipe]);
  const { rollout, data } = config;
  const pairs: readonly TrainingDifference[] = [
    { setting: "--temperature", here: settings.temperature, training: rollout.temperature },
    { setting: "--top-p", here: settings.topP, training: rollout.topP },
    { setting: "--top-k", here: settings.topK, training: rollout.topK },
    { setting: "--max-tokens", here: settings.maxTokens, training: data.maxResponseLength },
    { setting: "--max-prompt-tokens", here: settings.maxPromptTokens, training: data.maxPromptLength },
    { setting: "--min-pixels", here: settings.minPixels, training: data.minPixels || null },
    { setting: "--max-pixels", here: settings.maxPixels, training: data.maxPixels || null },
    { setting: "--system", here: settings.system, training: data.systemPrompt },
  ];
  const source = isOfRun ? join(run, recordFile) : `the published recipes (${publishedRecipe})`;
  return { source, differences: pairs.filter(({ here, training }) => here !== training) };
}
