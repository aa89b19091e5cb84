// `papo export`: a run's checkpoint as a model that others can use, in a folder or on the hub.
import { copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import type { EvaluationSummary } from "../eval/benchmarks/summary.ts";
import { diskError, temporaryPrefix, writeFileAtomic } from "../trainer/durable-file.ts";
import { readMetrics } from "../trainer/metrics-file.ts";
import { metricsFile } from "../trainer/run-folder.ts";
import { readRunRecord } from "../trainer/run-record.ts";
import { chooseCheckpoint, type CheckpointChoice, type ExportedCheckpoint } from "./exported-checkpoint.ts";
import { modelCard } from "./model-card.ts";

export interface ExportOptions {
  readonly checkpoint: CheckpointChoice;
  /** Output folders of `papo eval --benchmarks` whose scores the card gives. */
  readonly evaluations?: readonly string[];
  readonly license?: string | undefined;
  /** Default: the run folder's name. */
  readonly title?: string | undefined;
}

export interface ModelExport extends ExportedCheckpoint {
  /** The text of README.md. */
  readonly card: string;
}

/**
 * @throws {ConfigError} when the folder holds no run, the run no such checkpoint, or an evaluation is none
 */
export async function prepareExport(runDir: string, options: ExportOptions): Promise<ModelExport> {
  const record = await readRunRecord(runDir);
  const checkpoint = await chooseCheckpoint(runDir, options.checkpoint);
  const { step } = checkpoint;
  const card = modelCard({
    ...{ title: options.title ?? basename(resolve(runDir)), record, step, license: options.license },
    metrics: await metricsUntil(join(runDir, metricsFile), step),
    evaluations: await Promise.all((options.evaluations ?? []).map(readEvaluationSummary)),
  });
  return { ...checkpoint, card };
}

/**
 * Copies the model into a folder that is new or empty: whole or not at all.
 * @throws {ConfigError} when it holds something, {CheckpointError} when it cannot be written
 */
export async function exportToFolder({ dir, files, card }: ModelExport, out: string): Promise<void> {
  const target = resolve(out);
  const there = await readdir(target).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new ConfigError("--out", `expected a new or empty folder; ${(error as Error).message}`);
  });
  if (there.length > 0)
    throw new ConfigError("--out", `expected a new or empty folder; ${target} holds ${there[0] ?? ""}`);
  const temporary = join(dirname(target), `${temporaryPrefix}${process.pid}-${basename(target)}`);
  try {
    await mkdir(temporary, { recursive: true });
    for (const file of files) await copyFile(join(dir, file), join(temporary, file));
    await writeFileAtomic(join(temporary, "README.md"), card);
    await rm(target, { recursive: true, force: true }); // empty
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw diskError(target, error);
  }
}

/** The step's metrics, over those of earlier validations. */
async function metricsUntil(file: string, step: number): Promise<Record<string, number | null>> {
  let found: Record<string, number | null> = {};
  for await (const line of readMetrics(file)) {
    if (line.step > step) break;
    const kept = Object.entries(line.metrics).filter(([name]) => line.step === step || name.startsWith("val/"));
    found = { ...found, ...Object.fromEntries(kept) };
  }
  return found;
}

async function readEvaluationSummary(dir: string): Promise<EvaluationSummary> {
  const path = join(dir, "summary.json");
  try {
    const summary = JSON.parse(await readFile(path, "utf8")) as EvaluationSummary | null;
    if (!Array.isArray(summary?.benchmarks)) throw new Error("expected the summary of papo eval --benchmarks");
    return summary;
  } catch (error) {
    throw new ConfigError("--eval", `${path}: ${(error as Error).message}`);
  }
}
