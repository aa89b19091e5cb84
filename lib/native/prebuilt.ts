// A folder of prebuilt modules: which one is this processor's, whether it is whole, and how it gets its libtorch.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { NativeModule } from "./binding.ts";
import { cudaDriverProblem } from "./cuda-driver.ts";
import { findLibtorch, libraryOf, type Libtorch, type WantedLibtorch } from "./libtorch.ts";

const require = createRequire(import.meta.url);

interface PrebuiltFile {
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** manifest.json, as scripts/lib/prebuild-manifest.mjs writes it. */
export interface Manifest {
  readonly papo: string;
  readonly revision: string | null;
  /** The least Node-API version. */
  readonly napi: number;
  readonly libtorch: WantedLibtorch;
  /** The newest symbols that the modules ask of the system's libraries. */
  readonly glibc: string;
  readonly glibcxx: string;
  /** What loads libtorch and asks for GPUs (native/preload). */
  readonly preload: PrebuiltFile;
  /** The best first; `cpu`: features that /proc/cpuinfo has to list. */
  readonly modules: readonly (PrebuiltFile & { readonly cpu: readonly string[] })[];
}

/** libtorch is loaded, but not the module: another libtorch cannot be loaded beside it. */
export class LibtorchTakenError extends Error {}

/** What is known of a loaded prebuilt module. */
export interface Prebuilt {
  readonly module: NativeModule;
  readonly file: string;
  readonly libtorch: Libtorch;
}

/** The manifest of a folder. @throws {Error} when there is none or it is broken, with the file's name */
export function readManifest(folder: string): Manifest {
  const path = join(folder, "manifest.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw new Error(`${path}: not there`);
  }
  try {
    const manifest = JSON.parse(text) as Partial<Manifest>;
    if (manifest.libtorch && manifest.preload && manifest.modules) return manifest as Manifest;
  } catch {
    // falls through: cut off or not JSON
  }
  throw new Error(`${path}: broken, no manifest of prebuilt modules`);
}

/**
 * Loads libtorch, then the module made for this processor.
 * @param root papo's folder
 * @throws {LibtorchTakenError} when the module does not load
 * @throws {Error} before, with what does not fit
 */
export function loadPrebuilt(folder: string, root: string): Prebuilt {
  const manifest = readManifest(folder);
  const preload = wholeFile(folder, manifest.preload);
  const driverProblem = manifest.libtorch.cuda === null ? undefined : cudaDriverProblem(preload);
  if (driverProblem !== undefined) throw new Error(`${folder}: ${driverProblem}`);
  const path = wholeFile(folder, chooseModule(manifest, processorFlags()));
  checkNodeApi(manifest);
  const libtorch = libtorchFor(manifest.libtorch, root);
  const { loadLibrary } = require(preload) as { loadLibrary: (file: string) => void };
  loadLibrary(join(libtorch.dir, "lib", libraryOf(manifest.libtorch)));
  try {
    return { module: require(path) as NativeModule, file: path, libtorch };
  } catch (error) {
    throw new LibtorchTakenError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The first module that a processor with these features can run. @throws {Error} when none is */
export function chooseModule({ modules }: Pick<Manifest, "modules">, flags: ReadonlySet<string>) {
  const lacks = ({ cpu }: Manifest["modules"][number]) => cpu.filter((flag) => !flags.has(flag));
  const chosen = modules.find((module) => lacks(module).length === 0);
  if (chosen) return chosen;
  const least = modules.map(lacks).at(-1) ?? [];
  throw new Error(`the prebuilt modules need a processor with ${least.join(", ")}, which this one lacks`);
}

function processorFlags(): Set<string> {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
  return new Set(flags?.trim().split(/\s+/));
}

/** The file's path, once its bytes are those of the manifest. */
function wholeFile(folder: string, { file, sha256, bytes }: Manifest["preload"]): string {
  const path = join(folder, file);
  const content = readFileSync(path);
  const hash = createHash("sha256").update(content).digest("hex");
  if (hash === sha256) return path;
  throw new Error(`${path}: not the file of its manifest (sha256 ${hash}, ${content.length} bytes of ${bytes})`);
}

function checkNodeApi({ napi }: Manifest): void {
  if (Number(process.versions.napi) >= napi) return;
  throw new Error(
    `the module needs Node-API ${napi}, Node.js ${process.version} has ${process.versions.napi ?? "none"}`,
  );
}

function libtorchFor(wanted: WantedLibtorch, root: string): Libtorch {
  const found = findLibtorch(wanted, root);
  if ("dir" in found) return found;
  throw new Error(
    `no libtorch ${wanted.version}${wanted.cuda ? ` for CUDA ${wanted.cuda}` : ""}: ${found.tried.join("; ")}`,
  );
}
