import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { NativeModuleError } from "../errors.ts";
import type { NativeModule } from "./binding.ts";
import { hasCudaDriver } from "./cuda-driver.ts";
import { loadSolutions } from "./load-solutions.ts";

const require = createRequire(import.meta.url);

let loaded: { readonly module: NativeModule; readonly file: string } | undefined;

/** The package's own folder, from lib/native or dist/native. */
export const packageRoot = dirname(dirname(import.meta.dirname));

/**
 * The native module, loaded at first use: the file named by PAPO_NATIVE, else one built here (that for CUDA where an
 * NVIDIA driver is), else a prebuilt one.
 * @throws {NativeModuleError} with what was tried and what to do
 */
export function loadNative(): NativeModule {
  loaded ??= load(packageRoot);
  return loaded.module;
}

/** The file that `loadNative` has loaded; undefined before. */
export function nativeFile(): string | undefined {
  return loaded?.file;
}

/**
 * Lets libtorch's CUDA allocator grow its segments, unless the user has set it: an update that fills the GPU would
 * otherwise fail for the gaps between them. libtorch reads the environment when it is loaded.
 */
function configureAllocator(): void {
  if (process.env.PYTORCH_ALLOC_CONF === undefined) process.env.PYTORCH_CUDA_ALLOC_CONF ??= "expandable_segments:True";
}

function load(root: string): { module: NativeModule; file: string } {
  configureAllocator();
  const attempts: string[] = [];
  for (const candidate of nativeCandidates(root, hasCudaDriver())) {
    if ("problem" in candidate) {
      attempts.push(candidate.problem);
      continue;
    }
    try {
      return { module: require(candidate.file) as NativeModule, file: candidate.file };
    } catch (error) {
      attempts.push(`${candidate.file}: ${(error as Error).message}`);
    }
  }
  throw new NativeModuleError("papo's native module could not be loaded.", attempts, loadSolutions(attempts));
}

/** A file to load, or why there is none. */
export type Candidate = { readonly file: string } | { readonly problem: string };

/** Where to look. A local build that does not load is not passed over in silence for another. */
export function nativeCandidates(root: string, driver: boolean): Candidate[] {
  const named = process.env.PAPO_NATIVE;
  if (named) return [existing(resolve(named), "PAPO_NATIVE: ")];
  const forCuda = existing(join(root, "build-cuda", "Release", "papo.node"));
  if (driver && "file" in forCuda) return [forCuda];
  const built = existing(join(root, "build", "Release", "papo.node"));
  return "file" in built ? [built] : [built, prebuilt(root)];
}

function existing(file: string, origin = ""): Candidate {
  return existsSync(file) ? { file } : { problem: `${origin}${file}: not there` };
}

function prebuilt(root: string): Candidate {
  const { path } = require("node-gyp-build") as { path: (root: string) => string };
  try {
    return { file: path(root) };
  } catch {
    return { problem: `${join(root, "prebuilds")}: none for ${process.platform}-${process.arch}` };
  }
}
