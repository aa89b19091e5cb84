import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of all files under a path; links count as themselves, what vanishes meanwhile as nothing. */
export async function diskUse(path: string): Promise<number> {
  const info = await lstat(path).catch(() => undefined);
  if (!info) return 0;
  if (!info.isDirectory()) return info.size;
  let bytes = 0;
  for (const name of await readdir(path).catch(() => [])) bytes += await diskUse(join(path, name));
  return bytes;
}
