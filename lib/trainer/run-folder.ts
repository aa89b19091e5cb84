// The folder of a run: config.json, status.json, metrics.jsonl, alarms.jsonl, samples/, tensorboard/, checkpoints/, and
// data/ where the run makes its own. Owns who may write it and what a fresh and a resumed run find in it.
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import type { CheckpointError } from "../errors.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import type { Checkpoint } from "./checkpoint-store.ts";
import { cleanFolder, diskError, writeFileAtomic } from "./durable-file.ts";
import { MetricsFile } from "./metrics-file.ts";
import { lockRunFolder } from "./run-lock.ts";
import { changedSettings, readRunRecord, recordFile, type RunRecord } from "./run-record.ts";
import { type RunStatus, statusFile, writeRunStatus } from "./run-status.ts";

export interface OpenRunOptions {
  readonly dir: string;
  readonly record: RunRecord;
  /** Go on from the newest checkpoint, or from the start when there is none yet. */
  readonly resume: boolean;
}

export const metricsFile = "metrics.jsonl";
export const alarmsFile = "alarms.jsonl";

export class RunFolder implements AsyncDisposable {
  readonly dir: string;
  readonly samplesDir: string;
  readonly tensorboardDir: string;
  readonly checkpoints: CheckpointStore;
  readonly metrics: MetricsFile;
  /** What the collapse guard noticed, AlarmLine by AlarmLine. */
  readonly alarms: MetricsFile;
  /** Where a resumed run goes on; undefined for one that starts at step 1. */
  readonly resumeFrom: Checkpoint | undefined;
  /** Step folders that are no valid checkpoints and why; a resumed run passes over them. */
  readonly brokenCheckpoints: readonly CheckpointError[];
  /** `key: old -> new` of what differs from the run that is resumed. */
  readonly changedSettings: readonly string[];
  /** As config.json has it. */
  readonly record: RunRecord;
  readonly #lock: AsyncDisposable;

  private constructor(dir: string, parts: RunParts, { record, lock }: { record: RunRecord; lock: AsyncDisposable }) {
    this.dir = dir;
    this.samplesDir = join(dir, "samples");
    this.tensorboardDir = join(dir, "tensorboard");
    this.checkpoints = parts.checkpoints;
    this.metrics = parts.metrics;
    this.alarms = parts.alarms;
    this.resumeFrom = parts.resumeFrom;
    this.brokenCheckpoints = parts.brokenCheckpoints;
    this.changedSettings = parts.changedSettings;
    this.record = record;
    this.#lock = lock;
  }

  /**
   * Makes or reopens a run folder and holds it until disposed. What happened after the checkpoint that a resumed run
   * goes on from (metrics, alarms, samples) is removed. A run that has no metrics and no checkpoint yet counts as none.
   * @throws {ConfigError} `trainer.outDir`: the folder holds a run (without resume), none (with it), foreign files, or
   *   belongs to a running process; the setting that would make the resumed run another one
   * @throws {CheckpointError} when it cannot be written
   */
  static async open({ dir, record, resume }: OpenRunOptions): Promise<RunFolder> {
    await checkPurpose(dir, resume);
    await mkdir(dir, { recursive: true }).catch((error: unknown) => {
      throw diskError(dir, error);
    });
    const lock = await lockRunFolder(dir);
    try {
      await checkPurpose(dir, resume); // again: another process may have started a run before the lock was ours
      return new RunFolder(dir, await openParts(dir, record, resume), { record, lock });
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Writes config.json. A resumed run does so when nothing can stop it from going on with changed settings. */
  async writeRecord(): Promise<void> {
    await writeRecord(this.dir, this.record);
  }

  /** Writes status.json. */
  async writeStatus(status: Omit<RunStatus, "at">): Promise<void> {
    await writeRunStatus(this.dir, status);
  }

  /**
   * Writes the checkpoint of a step as CheckpointStore.write, after the metrics and alarms up to it are safe.
   */
  async writeCheckpoint(
    step: number,
    fill: (dir: string) => Promise<void>,
    options: { readonly expectedBytes?: number } = {},
  ): Promise<Checkpoint> {
    await this.metrics.sync();
    await this.alarms.sync();
    return this.checkpoints.write(step, fill, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.metrics[Symbol.asyncDispose]();
    await this.alarms[Symbol.asyncDispose]();
    await this.#lock[Symbol.asyncDispose]();
  }
}

interface RunParts {
  readonly checkpoints: CheckpointStore;
  readonly metrics: MetricsFile;
  readonly alarms: MetricsFile;
  readonly resumeFrom: Checkpoint | undefined;
  readonly brokenCheckpoints: readonly CheckpointError[];
  readonly changedSettings: readonly string[];
}

async function openParts(dir: string, record: RunRecord, resume: boolean): Promise<RunParts> {
  await cleanFolder(dir);
  for (const folder of ["samples", "tensorboard"]) await cleanFolder(join(dir, folder));
  const checkpoints = await CheckpointStore.open(join(dir, "checkpoints"));
  const { checkpoints: valid, broken: brokenCheckpoints } = await checkpoints.list();
  const resumeFrom = resume ? valid.at(-1) : undefined;
  const changed = resumeFrom ? changedSettings(await readRunRecord(dir), record) : [];
  const resumedStep = resume ? (resumeFrom?.step ?? -1) : undefined;
  if (resumedStep !== undefined) await removeLaterSamples(join(dir, "samples"), resumedStep);
  if (!resumeFrom) await writeRecord(dir, record);
  const metrics = await MetricsFile.open(join(dir, metricsFile), resumedStep);
  const alarms = await MetricsFile.open(join(dir, alarmsFile), resumedStep);
  return { checkpoints, metrics, alarms, resumeFrom, brokenCheckpoints, changedSettings: changed };
}

async function writeRecord(dir: string, record: RunRecord): Promise<void> {
  await writeFileAtomic(join(dir, recordFile), `${JSON.stringify(record, null, 2)}\n`);
}

async function checkPurpose(dir: string, resume: boolean): Promise<void> {
  const names = await readdir(dir).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new ConfigError("trainer.outDir", `expected a folder; ${(error as Error).message}`);
  });
  const hasRun = names.includes(recordFile) && names.includes("checkpoints");
  if (hasRun && !resume && (await hasResults(dir))) {
    throw new ConfigError(
      "trainer.outDir",
      `${dir} holds a run already: resume it with --resume or name another --out`,
    );
  }
  if (!hasRun && resume) throw new ConfigError("trainer.outDir", `expected the folder of a run to resume, got ${dir}`);
  const known = new Set([
    ...["data", "samples", "tensorboard", "checkpoints"],
    ...[recordFile, statusFile, metricsFile, alarmsFile],
  ]);
  const foreign = names.find((name) => !known.has(name) && !name.startsWith("."));
  if (!hasRun && foreign !== undefined) {
    throw new ConfigError("trainer.outDir", `expected a new or empty folder; ${dir} holds ${foreign}`);
  }
}

/** False for a run that failed before its first line of metrics. */
async function hasResults(dir: string): Promise<boolean> {
  const hasMetrics = await stat(join(dir, metricsFile)).then(
    ({ size }) => size > 0,
    () => false,
  );
  return hasMetrics || (await readdir(join(dir, "checkpoints"))).some((name) => name.startsWith("step-"));
}

async function removeLaterSamples(dir: string, resumedStep: number): Promise<void> {
  for (const name of await readdir(dir)) {
    const step = /^(?:val-)?step-(\d+)(?:\.jsonl)?$/.exec(name)?.[1];
    if (step !== undefined && Number(step) > resumedStep) await rm(join(dir, name), { recursive: true });
  }
}
