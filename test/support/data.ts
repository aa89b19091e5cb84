// Real data for tests: the folder named by PAPO_DATA, else ../shared/data beside the project. Tests list what is
// there, name no single file, and skip with a printed reason where it is absent.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { packageRoot } from "../../lib/native/load.ts";

export const dataRoot = resolve(process.env.PAPO_DATA ?? join(packageRoot, "..", "shared", "data"));

/** The folder `name` of the data root, or undefined after printing why the caller skips. */
export function dataFolder(name: string): string | undefined {
  const folder = join(dataRoot, name);
  if (existsSync(folder)) return folder;
  console.log(`skipped: ${folder} is not there (set PAPO_DATA)`);
  return undefined;
}

export function readJsonl(file: string): Record<string, unknown>[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Every row of every .jsonl file directly in `folder`, with the file's name. */
export function folderRows(folder: string): { file: string; row: Record<string, unknown> }[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".jsonl"))
    .sort()
    .flatMap((file) => readJsonl(join(folder, file)).map((row) => ({ file, row })));
}
