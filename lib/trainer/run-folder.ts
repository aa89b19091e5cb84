// The folder of a run: config.json, metrics.jsonl, samples/, tensorboard/, checkpoints/. Owns who may write it and
// what a fresh and a resumed run find in it.
import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import type { CheckpointError } from "../errors.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import type { Checkpoint } from "./checkpoint-store.ts";
import { cleanFolder, diskError, writeFileAtomic } from "./durable-file.ts";
import { MetricsFile } from "./metrics-file.ts";
import { lockRunFolder } from "./run-lock.ts";
import type { GitState } from "./system-info.ts";

/** What config.json holds: all that a run needs to be understood and repeated. */
export interface RunRecord {
  /** The resolved run configuration. */
  readonly config: unknown;
  /** Of the folder that the run was started in; undefined outside a repository. */
  readonly git: GitState | undefined;
  /** Versions of papo, Node and the native build. */
  readonly build: Readonly<Record<string, string>>;
}

export interface OpenRunOptions {
  readonly dir: string;
  readonly record: RunRecord;
  /** Go on from the newest checkpoint, or from the start when there is none yet. */
  readonly resume: boolean;
}

const configFile = "config.json";
const metricsFile = "metrics.jsonl";

export class RunFolder implements AsyncDisposable {
  readonly dir: string;
  readonly samplesDir: string;
  readonly tensorboardDir: string;
  readonly checkpoints: CheckpointStore;
  readonly metrics: MetricsFile;
  /** Where a resumed run goes on; undefined for one that starts at step 1. */
  readonly resumeFrom: Checkpoint | undefined;
  /** Step folders that are no valid checkpoints and why; a resumed run passes over them. */
  readonly brokenCheckpoints: readonly CheckpointError[];
  readonly #lock: AsyncDisposable;

  private constructor(dir: string, parts: RunParts, lock: AsyncDisposable) {
    this.dir = dir;
    this.samplesDir = join(dir, "samples");
    this.tensorboardDir = join(dir, "tensorboard");
    this.checkpoints = parts.checkpoints;
    this.metrics = parts.metrics;
    this.resumeFrom = parts.resumeFrom;
    this.brokenCheckpoints = parts.brokenCheckpoints;
    this.#lock = lock;
  }

  /**
   * Makes or reopens a run folder and holds it until disposed. What happened after the checkpoint that a resumed run
   * goes on from (metrics, samples) is removed.
   * @throws {ConfigError} `trainer.outDir`: the folder holds a run (without resume), none (with it), foreign files, or
   *   belongs to a running process
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
      return new RunFolder(dir, await openParts(dir, record, resume), lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Writes the checkpoint of a step as CheckpointStore.write, after the metrics up to it are safe.
   */
  async writeCheckpoint(
    step: number,
    fill: (dir: string) => Promise<void>,
    options: { readonly expectedBytes?: number } = {},
  ): Promise<Checkpoint> {
    await this.metrics.sync();
    return this.checkpoints.write(step, fill, options);
  }

  /** The newest valid checkpoint. */
  async latestCheckpoint(): Promise<Checkpoint | undefined> {
    return this.checkpoints.latest();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.metrics[Symbol.asyncDispose]();
    await this.#lock[Symbol.asyncDispose]();
  }
}

interface RunParts {
  readonly checkpoints: CheckpointStore;
  readonly metrics: MetricsFile;
  readonly resumeFrom: Checkpoint | undefined;
  readonly brokenCheckpoints: readonly CheckpointError[];
}

async function openParts(dir: string, record: RunRecord, resume: boolean): Promise<RunParts> {
  await cleanFolder(dir);
  for (const folder of ["samples", "tensorboard"]) await cleanFolder(join(dir, folder));
  const checkpoints = await CheckpointStore.open(join(dir, "checkpoints"));
  const { checkpoints: valid, broken: brokenCheckpoints } = await checkpoints.list();
  const resumeFrom = resume ? valid.at(-1) : undefined;
  const resumedStep = resume ? (resumeFrom?.step ?? -1) : undefined;
  if (resumedStep !== undefined) await removeLaterSamples(join(dir, "samples"), resumedStep);
  await writeFileAtomic(join(dir, configFile), `${JSON.stringify(record, null, 2)}\n`);
  const metrics = await MetricsFile.open(join(dir, metricsFile), resumedStep);
  return { checkpoints, metrics, resumeFrom, brokenCheckpoints };
}

/**
 * The config.json of a run folder.
 * @throws {ConfigError} when the folder holds no run or the file is broken
 */
export async function readRunRecord(dir: string): Promise<RunRecord> {
  try {
    const value: unknown = JSON.parse(await readFile(join(dir, configFile), "utf8"));
    if (typeof value !== "object" || value === null || !("config" in value)) throw new Error("expected {config, ...}");
    return value as RunRecord;
  } catch (error) {
    throw new ConfigError(join(dir, configFile), `expected the record of a run: ${(error as Error).message}`);
  }
}

async function checkPurpose(dir: string, resume: boolean): Promise<void> {
  const names = await readdir(dir).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new ConfigError("trainer.outDir", `expected a folder; ${(error as Error).message}`);
  });
  const hasRun = names.includes(configFile) && names.includes("checkpoints");
  if (hasRun && !resume) {
    throw new ConfigError(
      "trainer.outDir",
      `${dir} holds a run already: resume it with --resume or name another --out`,
    );
  }
  if (!hasRun && resume) throw new ConfigError("trainer.outDir", `expected the folder of a run to resume, got ${dir}`);
  const known = new Set(["samples", "tensorboard", "checkpoints", configFile, metricsFile]);
  const foreign = names.find((name) => !known.has(name) && !name.startsWith("."));
  if (!hasRun && foreign !== undefined) {
    throw new ConfigError("trainer.outDir", `expected a new or empty folder; ${dir} holds ${foreign}`);
  }
}

async function removeLaterSamples(dir: string, resumedStep: number): Promise<void> {
  for (const name of await readdir(dir)) {
    const step = /^step-(\d+)\.jsonl$/.exec(name)?.[1];
    if (step !== undefined && Number(step) > resumedStep) await rm(join(dir, name));
  }
}
