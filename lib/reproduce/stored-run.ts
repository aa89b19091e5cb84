// The result folder of a finished run: run.json, metrics.jsonl, evaluation.json, verdicts.jsonl. It appears whole.
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DataError, ResultsError } from "../errors.ts";
import { benchmarkGroups } from "../eval/benchmarks/benchmark.ts";
import { temporaryPrefix, syncPath, writeFileAtomic } from "../trainer/durable-file.ts";
import { readMetrics } from "../trainer/metrics-file.ts";
import { readJsonFile } from "./json-result.ts";
import { storedRunFile } from "./run-paths.ts";
import { settingsHash } from "./run-settings.ts";
import { type StoredAttention, readStoredAttention } from "./stored-attention.ts";

const settings = z.record(z.string(), z.unknown());
const count = z.int().min(0);

const runSchema = z.strictObject({
  method: z.string().min(1),
  size: z.string().min(1),
  seed: count,
  recipe: z.string(),
  overrides: z.array(z.string()),
  /** Of `settings`. */
  configurationHash: z.string(),
  settings,
  /** Training steps done, and planned. */
  step: count,
  steps: count,
  /** Null where an evaluation was stopped and went on. */
  seconds: z.strictObject({ training: z.number().min(0), evaluation: z.number().min(0).nullable() }),
  /** What trained it: papo's revision and version, libtorch. */
  build: z.record(z.string(), z.string()),
  revision: z.strictObject({ commit: z.string(), branch: z.string().optional(), dirty: z.boolean() }).nullable(),
  machine: z.strictObject({ cpu: z.string(), threads: count }),
});
type StoredRecord = z.output<typeof runSchema>;

const share = z.number().min(0).max(1);
const summarySchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  group: z.enum(benchmarkGroups),
  rowsExpected: count.nullable(),
  rowsSeen: count,
  rows: count,
  complete: z.boolean(),
  n: z.int().min(1),
  avgAtN: share,
  interval: z.strictObject({ low: share, high: share }).nullable(),
  rowsFingerprint: z.string(),
});

const evaluationSchema = z.strictObject({
  seed: count,
  settingsHash: z.string(),
  settings: z.looseObject({ benchmarks: z.record(z.string(), z.unknown()) }),
  benchmarks: z.array(summarySchema),
  /** Responses by error class and benchmark, where something can tell. */
  classes: z.record(z.string(), z.record(z.string(), count)).nullable(),
});
export type StoredEvaluation = z.output<typeof evaluationSchema>;

/** A line of verdicts.jsonl. */
export interface ItemVerdicts {
  readonly id: string;
  /** A digit a response: 1 for a right one. */
  readonly verdicts: string;
  /** A class a response, as in evaluation.json, by the first letter; only where classes are told. */
  readonly classes?: string;
}

/** A line of metrics.jsonl; null where a number was not finite. */
export type KeptMetrics = Readonly<Record<string, number | null>>;

export interface StoredRun {
  readonly run: StoredRecord;
  readonly evaluation: StoredEvaluation;
  readonly metrics: readonly KeptMetrics[];
  readonly attention: StoredAttention | undefined;
}

/** All that a finished run leaves. */
export interface RunOutcome extends Pick<StoredRun, "run" | "evaluation"> {
  /** metrics.jsonl of the run folder. */
  readonly metricsFile: string;
  readonly verdicts: readonly ItemVerdicts[];
}

/** Writes the folder, or leaves nothing of it. */
export async function storeRun(dir: string, { run, evaluation, metricsFile, verdicts }: RunOutcome): Promise<void> {
  const temporary = join(dir, "..", `${temporaryPrefix}result`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  const write = (name: string, content: string) => writeFileAtomic(join(temporary, name), content);
  await write(storedRunFile, jsonText(run));
  await write("metrics.jsonl", await keptMetrics(metricsFile));
  await write("evaluation.json", jsonText(evaluation));
  await write("verdicts.jsonl", verdicts.map((item) => `${JSON.stringify(item)}\n`).join(""));
  await rename(temporary, dir);
  await syncPath(join(dir, ".."));
}

/** Of the machine, or found from others; half of all. */
const leftOut = /^(?:perf|timing_per_token_ms|global_seqlen)\//u;
const digits = 6;

/** Metrics with six significant digits. */
async function keptMetrics(file: string): Promise<string> {
  const lines: string[] = [];
  for await (const { metrics } of readMetrics(file)) {
    const kept = Object.entries(metrics as KeptMetrics).filter(([name]) => !leftOut.test(name));
    const rounded = kept.map(([name, value]) => [name, value === null ? null : Number(value.toPrecision(digits))]);
    lines.push(`${JSON.stringify(Object.fromEntries(rounded))}\n`);
  }
  return lines.join("");
}

/**
 * @throws {DataError} a file that is missing or damaged
 * @throws {ResultsError} `settings`: settings that are not those of their hash; `missing`, `duplicate`: a benchmark
 */
export async function readStoredRun(dir: string): Promise<StoredRun> {
  const run = await readJsonFile(join(dir, storedRunFile), runSchema);
  const evaluation = await readJsonFile(join(dir, "evaluation.json"), evaluationSchema);
  checkHash(join(dir, storedRunFile), run.settings, run.configurationHash);
  checkHash(join(dir, "evaluation.json"), evaluation.settings, evaluation.settingsHash);
  checkBenchmarks(join(dir, "evaluation.json"), evaluation);
  const metrics = await readKeptMetrics(join(dir, "metrics.jsonl"), run.step);
  return { run, evaluation, metrics, attention: await readStoredAttention(dir) };
}

function checkHash(file: string, recorded: Readonly<Record<string, unknown>>, hash: string): void {
  if (settingsHash(recorded) === hash) return;
  throw new ResultsError(
    "settings",
    `${file}: expected the settings of ${hash}, got those of ${settingsHash(recorded)}`,
  );
}

function checkBenchmarks(file: string, { settings: { benchmarks: wanted }, benchmarks }: StoredEvaluation): void {
  const ids = benchmarks.map(({ id }) => id);
  const missing = Object.keys(wanted).find((id) => !ids.includes(id));
  if (missing !== undefined) throw new ResultsError("missing", `${file}: expected benchmark ${missing}`);
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) throw new ResultsError("duplicate", `${file} has benchmark ${twice} twice`);
}

async function readKeptMetrics(file: string, step: number): Promise<KeptMetrics[]> {
  const all: KeptMetrics[] = [];
  try {
    for await (const { metrics } of readMetrics(file)) all.push(metrics);
  } catch (error) {
    throw new DataError(file, undefined, `cannot be read: ${(error as NodeJS.ErrnoException).code ?? ""}`);
  }
  const last = all.at(-1)?.["step"] ?? 0;
  if (last === step) return all;
  throw new DataError(file, undefined, `expected steps up to ${step}, as run.json says, got ${last}`);
}

const jsonText = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
