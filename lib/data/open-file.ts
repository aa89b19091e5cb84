// Opening files of a data set, which may name anything.
import { open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

/**
 * A file, open for reading. Pipes and devices are refused before: opening or reading one may never end.
 * @throws {Error} when it is not there, no file or not readable
 */
export async function openFile(path: string): Promise<FileHandle> {
  if (!(await stat(path)).isFile()) throw new Error("expected a file");
  return await open(path);
}
