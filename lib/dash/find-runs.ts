// What the folders on the command line are: runs, folders of runs, or evaluations.
import { readdir, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { ConfigError } from "../errors.ts";
import { metricsFile } from "../trainer/run-folder.ts";
import { recordFile } from "../trainer/run-record.ts";
import { foldersBelow } from "../run-folders/find-runs.ts";
import { evaluationsIn } from "./evaluations.ts";
import { WatchedRun } from "./watched-run.ts";

/** As far down as `papo reproduce` puts a run below its results. */
const maxDepth = 5;

/**
 * The runs of the folders: a folder that is none stands for those in it, at most five folders down.
 * @throws {ConfigError} for a folder that is not there, or holds neither a run nor an evaluation
 */
export async function findRuns(folders: readonly string[]): Promise<WatchedRun[]> {
  const found: string[] = [];
  for (const folder of folders.map((path) => resolve(path))) {
    const runs = await runsAt(folder);
    if (runs.length === 0 && (await evaluationsIn(folder)).length === 0)
      throw new ConfigError("RUN_DIR", `expected the folder of a run or of an evaluation, got ${folder}`);
    found.push(...runs);
  }
  const unique = [...new Set(found)];
  return unique.map((folder, id) => new WatchedRun({ id, folder, name: nameAmong(folder, unique) }));
}

async function runsAt(folder: string): Promise<string[]> {
  await readdir(folder).catch((error: unknown) => {
    throw new ConfigError("RUN_DIR", `expected a folder: ${(error as Error).message}`);
  });
  return await foldersBelow(folder, maxDepth, isRun);
}

async function isRun(folder: string): Promise<boolean> {
  for (const name of [recordFile, metricsFile]) {
    if ((await stat(join(folder, name)).catch(() => undefined))?.isFile() === true) return true;
  }
  return false;
}

/** As little of the end of the path as tells it from the others. */
function nameAmong(folder: string, all: readonly string[]): string {
  const path = ownPath(folder);
  const others = all.filter((other) => other !== folder).map(ownPath);
  const parts = path.split(sep);
  for (let count = path === folder ? 1 : 2; count < parts.length; count++) {
    const name = parts.slice(-count).join(sep);
    if (others.every((other) => !other.endsWith(sep + name))) return name;
  }
  return folder;
}

/** `papo reproduce` keeps a run in a folder below those of the method and the seed that it is of. */
function ownPath(folder: string): string {
  return folder.replace(/\/(?:result|work\/run)$/u, "");
}
