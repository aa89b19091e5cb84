// What the folders on the command line are: runs, folders of runs, or evaluations.
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { metricsFile } from "../trainer/run-folder.ts";
import { recordFile } from "../trainer/run-record.ts";
import { evaluationsIn } from "./evaluations.ts";
import { WatchedRun } from "./watched-run.ts";

/**
 * The runs of the folders: a folder that is none stands for those in it.
 * @throws {ConfigError} for a folder that is not there, or holds neither a run nor an evaluation
 */
export async function findRuns(folders: readonly string[]): Promise<WatchedRun[]> {
  const found: string[] = [];
  for (const folder of folders.map((path) => resolve(path))) {
    const runs = (await isRun(folder)) ? [folder] : await runsIn(folder);
    if (runs.length === 0 && (await evaluationsIn(folder)).length === 0)
      throw new ConfigError("RUN_DIR", `expected the folder of a run or of an evaluation, got ${folder}`);
    found.push(...runs);
  }
  const unique = [...new Set(found)];
  return unique.map((folder, id) => new WatchedRun({ id, folder, name: nameAmong(folder, unique) }));
}

async function isRun(folder: string): Promise<boolean> {
  for (const name of [recordFile, metricsFile]) {
    if ((await stat(join(folder, name)).catch(() => undefined))?.isFile() === true) return true;
  }
  return false;
}

async function runsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new ConfigError("RUN_DIR", `expected a folder: ${(error as Error).message}`);
  });
  const runs: string[] = [];
  for (const name of names.sort()) if (await isRun(join(folder, name))) runs.push(join(folder, name));
  return runs;
}

/** The folder's own name, with its parent's where two runs would have the same. */
function nameAmong(folder: string, all: readonly string[]): string {
  const name = basename(folder);
  const isTaken = all.some((other) => other !== folder && basename(other) === name);
  return isTaken ? join(basename(dirname(folder)), name) : name;
}
