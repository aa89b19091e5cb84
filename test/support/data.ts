// Real data for tests: the folder named by PAPO_DATA, else ../shared/data beside the project. Tests list what is
// there, name no single file or set, and skip with a printed reason what is absent.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { packageRoot } from "../../lib/native/load.ts";

export type DataRow = Readonly<Record<string, unknown>>;

const ownRoot = join(packageRoot, "..", "shared", "data");
export const dataRoot = resolve(process.env.PAPO_DATA || ownRoot);

/** Prints why something is skipped; gives no rows. */
function skip(reason: string): never[] {
  console.log(`skipped: ${reason}`);
  return [];
}

/**
 * The folder `name` of the data root, or undefined after printing why the caller skips. What lies beside the data
 * (`../fixtures`) is looked for beside PAPO_DATA first, then beside the project's own data.
 */
export function dataFolder(name: string): string | undefined {
  const roots = name.startsWith("../") ? [dataRoot, ownRoot] : [dataRoot];
  const folder = roots.map((root) => join(root, name)).find((candidate) => isFolder(candidate));
  if (folder === undefined) skip(`${join(dataRoot, name)} is not there (set PAPO_DATA)`);
  return folder;
}

/** Whether a path is there, all its folders being folders. */
export const isThere = (path: string): boolean => existsSync(path);
const isFolder = (path: string) => isThere(path) && statSync(path).isDirectory();
const isFile = (path: string) => isThere(path) && statSync(path).isFile();

export function readJsonl(file: string): Record<string, unknown>[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Paths of the files directly in `folder`, links to files among them. */
export function listFiles(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .filter(isFile);
}

/** Every row of every .jsonl file directly in `folder`, with the file's name. */
export function folderRows(folder: string): { file: string; row: Record<string, unknown> }[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".jsonl") && isFile(join(folder, file)))
    .sort()
    .flatMap((file) => readJsonl(join(folder, file)).map((row) => ({ file, row })));
}

/** The rows of a data folder that `isWanted` picks, whichever file they are in; none after printing why. */
export function dataRows(folderName: string, what: string, isWanted: (row: DataRow) => boolean): DataRow[] {
  const folder = dataFolder(folderName);
  if (folder === undefined) return [];
  const rows = folderRows(folder).flatMap(({ row }) => (isWanted(row) ? [row] : []));
  if (rows.length === 0) skip(`no ${what} in ${folder}`);
  return rows;
}

/** Rows that have all of `keys`. */
export const withKeys =
  (...keys: readonly string[]) =>
  (row: DataRow): boolean =>
    keys.every((key) => key in row);

/** Where a row's `image` is, which starts at the data root or at the vision folder; undefined when absent. */
function picturePath(row: DataRow): string | undefined {
  return [dataRoot, join(dataRoot, "vision")].map((root) => join(root, String(row["image"]))).find(isFile);
}

/** Likewise rows with a picture that is there, and its path. */
export function pictureRows(
  folderName: string,
  what: string,
  isWanted: (row: DataRow) => boolean,
): { row: DataRow; path: string }[] {
  const rows = dataRows(folderName, what, (row) => typeof row["image"] === "string" && isWanted(row));
  const found = rows.flatMap((row) => {
    const path = picturePath(row);
    return path === undefined ? [] : [{ row, path }];
  });
  if (found.length < rows.length) skip(`${rows.length - found.length} of ${rows.length} ${what}: no such picture`);
  return found;
}

/** Files of the folder of bad files that its manifest lists and `isWanted` picks; none after printing why. */
export function badFiles(what: string, isWanted: (row: DataRow) => boolean): { row: DataRow; path: string }[] {
  const folder = dataFolder("bad");
  if (folder === undefined) return [];
  const manifest = join(folder, "manifest.jsonl");
  if (!isFile(manifest)) return skip(`${manifest} is not there`);
  const listed = readJsonl(manifest)
    .filter((row) => typeof row["path"] === "string" && isWanted(row))
    .map((row) => ({ row, path: join(folder, String(row["path"])) }));
  const found = listed.filter(({ path }) => isFile(path));
  if (found.length === 0) skip(`no ${what} in ${folder}`);
  else if (found.length < listed.length) skip(`${listed.length - found.length} of ${listed.length} ${what}: not there`);
  return found;
}

/** The question sets: folders of `qa` with rows in a data.jsonl; none after printing why. */
export function questionSets(): { name: string; file: string; rows: DataRow[] }[] {
  const folder = dataFolder("qa");
  if (folder === undefined) return [];
  const sets = readdirSync(folder).flatMap((name) => {
    const file = join(folder, name, "data.jsonl");
    const rows = isFile(file) ? readJsonl(file) : [];
    return rows.length > 0 ? [{ name, file, rows }] : skip(`${file} is not there or empty`);
  });
  if (sets.length === 0) skip(`no question sets in ${folder}`);
  return sets;
}

/** Paths of the pictures that a question names, present or not. */
export function questionPictures(file: string, row: DataRow): string[] {
  return (Array.isArray(row["images"]) ? row["images"] : []).map((image) => join(file, "..", String(image)));
}
