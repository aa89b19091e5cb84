import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError } from "../errors.ts";

/** Before any work. @throws {ConfigError} where no file can be written */
export async function checkOutFile(out: string): Promise<void> {
  const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (await isFolder(out)) throw new ConfigError("--out", `expected the name of a file, got the folder ${out}`);
  if (!(await isFolder(dirname(out)))) throw new ConfigError("--out", `there is no folder ${dirname(out)}`);
}
