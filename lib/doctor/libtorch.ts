// Which libtorch papo was built with, or would be.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../native/load.ts";

export interface LibtorchNote {
  readonly dir: string;
  readonly version: string;
  /** "PAPO_LIBTORCH", "prepared by setup", "prepared for CUDA" or "Python's torch". */
  readonly how: string;
}

/** Where none was found. */
export interface NoLibtorch {
  /** What was looked at. */
  readonly tried: readonly string[];
}

/**
 * What setup noted about the libtorch that it built with; undefined where it has not run or the note is broken.
 * @param forCuda the note of the CUDA build
 */
export function libtorchNote(root = packageRoot, forCuda = false): LibtorchNote | undefined {
  const file = join(root, ".setup", forCuda ? "libtorch-cuda.json" : "libtorch.json");
  try {
    const note = JSON.parse(readFileSync(file, "utf8")) as Partial<LibtorchNote> | null;
    const { dir, version, how } = note ?? {};
    return dir !== undefined && version !== undefined && how !== undefined ? { dir, version, how } : undefined;
  } catch {
    return undefined;
  }
}

/** The libtorch that setup would build with, by setup's own search. */
export async function searchLibtorch(root = packageRoot): Promise<LibtorchNote | NoLibtorch> {
  const url = pathToFileURL(join(root, "scripts", "lib", "libtorch.mjs")).href;
  try {
    const { findLibtorch } = (await import(url)) as { findLibtorch: () => LibtorchNote | NoLibtorch };
    const found = findLibtorch();
    return "dir" in found ? { dir: found.dir, version: found.version, how: found.how } : found;
  } catch (error) {
    return { tried: [(error as Error).message] };
  }
}
