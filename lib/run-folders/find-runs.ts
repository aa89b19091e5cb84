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
    for (const run of await foldersBelow(resolve(dir), maxDepth, isRunFolder)) found.add(run);
  }
  return [...found].toSorted();
}

/** `dir` if it is wanted, else the wanted folders below it; nothing is looked for inside of one, or where it may not be read. */
export async function foldersBelow(
  dir: string,
  depth: number,
  isWanted: (dir: string) => Promise<boolean>,
): Promise<string[]> {
  if (await isWanted(dir)) return [dir];
  if (depth === 0) return [];
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  const found: string[] = [];
  for (const path of folders.map(({ name }) => join(dir, name)).sort())
    found.push(...(await foldersBelow(path, depth - 1, isWanted)));
  return found;
}

export async function isFolder(dir: string): Promise<boolean> {
  return (await lstat(dir).catch(() => undefined))?.isDirectory() === true;
}
