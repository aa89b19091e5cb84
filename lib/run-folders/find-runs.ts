// Which folders are runs. Symbolic links are not followed: what is found is what may be cleaned.
import { lstat, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { readRunRecord, recordFile } from "../trainer/run-record.ts";

/** Folders below a given one that are searched. */
const maxDepth = 3;

/** Whether `dir` is the folder of a run: a record of `papo train` or `papo sft`, and a folder of checkpoints. */
export async function isRunFolder(dir: string): Promise<boolean> {
  if (!(await isFolder(dir)) || !(await isFolder(join(dir, "checkpoints")))) return false;
  const info = await lstat(join(dir, recordFile)).catch(() => undefined);
  if (info?.isFile() !== true) return false;
  const record = await readRunRecord(dir).catch(() => undefined);
  return record !== undefined && ["train", "sft"].includes(record.command);
}

/**
 * The run folders among the given ones and below them, each once, by path.
 * @throws {ConfigError} when a given folder is not there
 */
export async function findRuns(dirs: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const dir of dirs) {
    if (!(await isFolder(resolve(dir))))
      throw new ConfigError(dir, "expected a folder (a link to one is not followed)");
    await collect(resolve(dir), maxDepth, found);
  }
  return [...found].toSorted();
}

async function collect(dir: string, depth: number, found: Set<string>): Promise<void> {
  if (await isRunFolder(dir)) {
    found.add(dir);
    return;
  }
  if (depth === 0) return;
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isDirectory() && !entry.name.startsWith(".")) await collect(join(dir, entry.name), depth - 1, found);
}

export async function isFolder(dir: string): Promise<boolean> {
  return (await lstat(dir).catch(() => undefined))?.isDirectory() === true;
}
