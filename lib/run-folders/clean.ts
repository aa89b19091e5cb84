// What `papo clean` removes from a run folder: checkpoints beside the newest and the best one, and what interrupted writers
// left. Nothing else, nothing behind a symbolic link, and nothing of a run that a process holds.
import { lstat, readdir, realpath, rename, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { ConfigError } from "../errors.ts";
import { openCheckpoint } from "../trainer/checkpoint-store.ts";
import { readTrainerState } from "../trainer/checkpoint.ts";
import { temporaryPrefix } from "../trainer/durable-file.ts";
import { lockRunFolder, runHolder } from "../trainer/run-lock.ts";
import { describeRun } from "./describe-run.ts";
import { diskUse } from "./disk-use.ts";
import { isFolder, isRunFolder } from "./find-runs.ts";

export interface Removal {
  /** Absolute. */
  readonly path: string;
  readonly why: "checkpoint" | "broken checkpoint" | "unfinished";
  readonly bytes: number;
}

export interface CleanPlan {
  readonly dir: string;
  readonly removals: readonly Removal[];
  /** Why nothing of this run is removed. */
  readonly skipped?: string;
}

/** @throws {ConfigError} when `dir` is not the folder of a run */
export async function planClean(dir: string): Promise<CleanPlan> {
  if (!(await isRunFolder(dir))) throw new ConfigError(dir, "expected the folder of a run");
  const holder = await runHolder(dir);
  if (holder) return { dir, removals: [], skipped: `process ${holder.pid} on ${holder.host} is running it` };
  return { dir, removals: await removalsOf(dir) };
}

/**
 * Removes what a plan made now would, under the run's lock, so that no trainer starts meanwhile.
 * @returns what was removed
 * @throws {ConfigError} when a process holds the run
 */
export async function cleanRun(dir: string): Promise<CleanPlan> {
  if (!(await isRunFolder(dir))) throw new ConfigError(dir, "expected the folder of a run");
  const lock = await lockRunFolder(dir);
  try {
    const removals = await removalsOf(dir);
    for (const { path, why } of removals) await remove(dir, path, why !== "unfinished");
    return { dir, removals };
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function removalsOf(dir: string): Promise<Removal[]> {
  const removals: Removal[] = [];
  const add = async (path: string, why: Removal["why"]) => removals.push({ path, why, bytes: await diskUse(path) });
  for (const folder of [dir, join(dir, "samples"), join(dir, "tensorboard"), join(dir, "checkpoints")]) {
    if (!(await isFolder(folder))) continue;
    for (const name of await readdir(folder))
      if (name.startsWith(temporaryPrefix)) await add(join(folder, name), "unfinished");
  }
  const { valid, broken } = await checkpointsOf(join(dir, "checkpoints"));
  // Without a whole one a broken one may be all that there is to rescue.
  if (valid.length > 0) for (const path of broken) await add(path, "broken checkpoint");
  const kept = await keptSteps(dir, valid);
  for (const { step, path } of valid) if (!kept.has(step)) await add(path, "checkpoint");
  return removals;
}

interface Found {
  readonly step: number;
  readonly path: string;
}

async function checkpointsOf(folder: string): Promise<{ valid: Found[]; broken: string[] }> {
  const valid: Found[] = [];
  const broken: string[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!/^step-\d{6,}$/u.test(name) || !(await isFolder(path))) continue;
    const checkpoint = await openCheckpoint(path).catch(() => undefined);
    if (checkpoint) valid.push({ step: checkpoint.step, path });
    else broken.push(path);
  }
  return { valid: valid.sort((a, b) => a.step - b.step), broken };
}

/** The newest, the best that the newest knows of, and the best by the metrics. */
async function keptSteps(dir: string, valid: readonly Found[]): Promise<Set<number | undefined>> {
  const newest = valid.at(-1);
  const state = newest && (await readTrainerState(newest.path).catch(() => undefined));
  const { best } = await describeRun(dir);
  return new Set([newest?.step, state?.best?.step, best?.step]);
}

async function remove(dir: string, path: string, viaRename: boolean): Promise<void> {
  const parent = await realpath(join(path, ".."));
  const root = await realpath(dir);
  // What is a link by now, or leads out of the folder, is not what was looked at.
  if (parent !== root && !parent.startsWith(root + sep)) throw new ConfigError(path, `expected a path inside ${root}`);
  const info = await lstat(path);
  if (info.isSymbolicLink() && viaRename) throw new ConfigError(path, "expected a folder, got a link");
  if (!viaRename) {
    await rm(path, { recursive: true, force: true });
    return;
  }
  // Renamed first, so that a kill leaves no half-removed folder under a checkpoint's name.
  const doomed = join(parent, `${temporaryPrefix}removed-${path.split(sep).at(-1) ?? ""}`);
  await rename(path, doomed);
  await rm(doomed, { recursive: true, force: true });
}
