import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { NativeModuleError } from "../errors.ts";
import type { NativeModule } from "./binding.ts";
import { hasCudaDriver } from "./cuda-driver.ts";
import type { Libtorch } from "./libtorch.ts";
import { loadSolutions } from "./load-solutions.ts";
import { LibtorchTakenError, loadPrebuilt } from "./prebuilt.ts";

const require = createRequire(import.meta.url);

/** A loaded module and where it came from. */
export interface NativeOrigin {
  readonly file: string;
  /** That a prebuilt module was loaded with; undefined of a local build, which knows its own. */
  readonly libtorch: Libtorch | undefined;
  /** What came before it in the order and was not loaded, and why. */
  readonly passedOver: readonly string[];
}

let loaded: (NativeOrigin & { readonly module: NativeModule }) | undefined;

/** The package's own folder, from lib/native or dist/native. */
export const packageRoot = dirname(dirname(import.meta.dirname));

/**
 * The native module, loaded at first use: the file named by PAPO_NATIVE, else one built here (that for CUDA where an
 * NVIDIA driver is), else the CUDA package's where a GPU can be used, else a prebuilt one for the CPU.
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

/** Where the module that `loadNative` has loaded came from; undefined before. */
export function nativeOrigin(): NativeOrigin | undefined {
  return loaded;
}

/**
 * Lets libtorch's CUDA allocator grow its segments, unless the user has set it: an update that fills the GPU would
 * otherwise fail for the gaps between them. libtorch reads the environment when it is loaded.
 */
function configureAllocator(): void {
  if (process.env.PYTORCH_ALLOC_CONF === undefined) process.env.PYTORCH_CUDA_ALLOC_CONF ??= "expandable_segments:True";
}

function load(root: string): NativeOrigin & { module: NativeModule } {
  configureAllocator();
  const attempts: string[] = [];
  for (const candidate of nativeCandidates(root, hasCudaDriver())) {
    if ("problem" in candidate) {
      attempts.push(candidate.problem);
      continue;
    }
    try {
      if ("folder" in candidate) return { ...loadPrebuilt(candidate.folder, root), passedOver: attempts };
      const { file } = candidate;
      return { module: require(file) as NativeModule, file, libtorch: undefined, passedOver: attempts };
    } catch (error) {
      const { message } = error as Error;
      attempts.push("file" in candidate ? `${candidate.file}: ${message}` : message);
      if (error instanceof LibtorchTakenError) break;
    }
  }
  const solutions = loadSolutions(attempts, isClone(root));
  throw new NativeModuleError("papo's native module could not be loaded.", attempts, solutions);
}

/** A module to load, a folder of prebuilt ones, or why there is none. */
export type Candidate = { readonly file: string } | PrebuiltFolder;
type PrebuiltFolder = { readonly folder: string } | { readonly problem: string };

/** Where to look. A local build that does not load is not passed over in silence for another. */
export function nativeCandidates(root: string, driver: boolean): Candidate[] {
  const named = process.env.PAPO_NATIVE;
  if (named) return [existing(resolve(named), "PAPO_NATIVE: ")];
  const forCuda = existing(join(root, "build-cuda", "Release", "papo.node"));
  if (driver && "file" in forCuda) return [forCuda];
  const built = existing(join(root, "build", "Release", "papo.node"));
  if ("file" in built) return [built];
  // An installed package has no build to miss.
  const missed = isClone(root) ? [built] : [];
  return [...missed, ...(driver ? [cudaPackage(root)] : []), prebuiltFolder(root)];
}

/** Whether papo's folder holds its sources; an installed package does not. */
export function isClone(root: string): boolean {
  return existsSync(join(root, "lib"));
}

function existing(file: string, origin = ""): Candidate {
  return existsSync(file) ? { file } : { problem: `${origin}${file}: not there` };
}

/** The package that npm installs beside papo on Linux, or the one made in a clone. */
export function cudaPackage(root: string): PrebuiltFolder {
  const made = join(root, "npm", "linux-x64-cuda");
  if (existsSync(join(made, "manifest.json"))) return { folder: made };
  try {
    return { folder: dirname(require.resolve("papo-linux-x64-cuda/manifest.json")) };
  } catch {
    return { problem: "papo-linux-x64-cuda, the package for NVIDIA GPUs: not installed" };
  }
}

/** The modules for the CPU that come with the package. */
export function prebuiltFolder(root: string): PrebuiltFolder {
  const folder = join(root, "prebuilds", `${process.platform}-${process.arch}`);
  return existsSync(folder) ? { folder } : { problem: `${folder}: not there` };
}
