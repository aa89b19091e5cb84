// The libtorch that a prebuilt module is loaded with. Which one a build takes is scripts/lib/libtorch.mjs's affair.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** What a module was built with: of another release or CUDA, libtorch's symbols differ. */
export interface WantedLibtorch {
  /** "2.13.0" */
  readonly version: string;
  /** "13.0"; null of a module for the CPU, which any libtorch of its release serves. */
  readonly cuda: string | null;
}

export interface Libtorch {
  /** Holds lib/. */
  readonly dir: string;
  /** "2.13.0+cpu" */
  readonly version: string;
  /** "PAPO_LIBTORCH", "prepared by setup", "prepared by papo setup" or "Python's torch". */
  readonly how: string;
}

/** Where none was found. */
export interface NoLibtorch {
  /** What was looked at. */
  readonly tried: readonly string[];
}

/** The user's folder for what `papo setup` prepares, one libtorch for all installed papos of its version. */
export function libtorchCache({ version, cuda }: WantedLibtorch): string {
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(caches, "papo", `libtorch-${version}-${cuda === null ? "cpu" : `cuda${cuda}`}`);
}

/** The library whose loading brings all that a module needs. */
export function libraryOf({ cuda }: WantedLibtorch): string {
  return cuda === null ? "libtorch_cpu.so" : "libtorch_cuda.so";
}

/**
 * The first that fits of PAPO_LIBTORCH, the clone's prepared copy, the user's, Python's torch. One that PAPO_LIBTORCH
 * names is not passed over for another.
 * @param root papo's folder
 */
export function findLibtorch(wanted: WantedLibtorch, root: string): Libtorch | NoLibtorch {
  const named = process.env.PAPO_LIBTORCH;
  if (named) return orTried([readLibtorch(resolve(named), "PAPO_LIBTORCH", wanted)]);
  const prepared = join(root, ".libtorch", ...(wanted.cuda === null ? [] : ["cuda"]), "torch");
  const found = [
    readLibtorch(prepared, "prepared by setup", wanted),
    readLibtorch(join(libtorchCache(wanted), "torch"), "prepared by papo setup", wanted),
  ];
  if (found.some((one) => typeof one !== "string")) return orTried(found);
  const folder = pythonTorch();
  return orTried([...found, folder ? readLibtorch(folder, "Python's torch", wanted) : "python3 has no torch"]);
}

function orTried(found: readonly (Libtorch | string)[]): Libtorch | NoLibtorch {
  const tried = found.filter((one) => typeof one === "string");
  return found.find((one) => typeof one !== "string") ?? { tried };
}

/** The libtorch in a folder, or why it does not do. */
function readLibtorch(dir: string, how: string, wanted: WantedLibtorch): Libtorch | string {
  const library = join(dir, "lib", libraryOf(wanted));
  if (!existsSync(library)) return `${how}: ${library} is not there`;
  const { version, cuda } = readVersion(dir);
  const fits =
    version?.split("+")[0] === wanted.version &&
    (wanted.cuda === null || cuda?.split(".")[0] === wanted.cuda.split(".")[0]);
  if (version !== undefined && fits) return { dir, version, how };
  const asked = `${wanted.version}${wanted.cuda === null ? "" : ` for CUDA ${wanted.cuda}`}`;
  return `${how}: ${dir} is libtorch ${version ?? "of an unknown version"}, this module needs ${asked}`;
}

/** A wheel says it in version.py, an archive of libtorch in build-version. */
function readVersion(dir: string): { version?: string | undefined; cuda?: string | undefined } {
  const read = (name: string): string => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), "utf8") : "");
  const python = read("version.py");
  const version = /^__version__ = '([^']+)'/m.exec(python)?.[1] ?? (read("build-version").trim() || undefined);
  return { version, cuda: /^cuda\b.* = '([^']+)'/m.exec(python)?.[1] ?? /\+cu(\d+)\d$/.exec(version ?? "")?.[1] };
}

/** The folder of the torch that Python would import, without importing it. */
function pythonTorch(): string | undefined {
  const code =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
  for (const python of ["python3", "python"]) {
    const { status, stdout } = spawnSync(python, ["-c", code], { encoding: "utf8", timeout: 60_000 });
    if (status === 0) return stdout.trim() || undefined;
  }
  return undefined;
}
