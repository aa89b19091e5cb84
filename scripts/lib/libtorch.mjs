// Finding libtorch: PAPO_LIBTORCH, the prepared copy in .libtorch/torch, a Python torch of a version that builds.
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { findPython } from "./prerequisites.mjs";
import { capture } from "./process.mjs";
import { libtorchDir, SetupError } from "./project.mjs";

/** The version that setup prepares. */
export const pinnedVersion = "2.13.0";
const buildable = /^2\.(13|14)\./;

/**
 * dir: folder with include/ and lib/; version: of its version.py, or of its headers; cuda: "13.0", or undefined for a
 * CPU build; how: where it was found, in words.
 * @typedef {{ dir: string, version: string, cuda: string | undefined, how: string }} Libtorch
 */

/**
 * The libtorch in a folder (a wheel's torch/ folder, or an unpacked libtorch archive).
 * @param {string} dir
 * @param {string} how
 * @returns {Libtorch | { problem: string }}
 */
export function readLibtorch(dir, how) {
  const versionHeader = join(dir, "include/torch/csrc/api/include/torch/version.h");
  const library = join(dir, "lib", process.platform === "darwin" ? "libtorch_cpu.dylib" : "libtorch_cpu.so");
  for (const file of [join(dir, "include/ATen/ATen.h"), versionHeader, library]) {
    if (!existsSync(file)) return { problem: `${file} is missing` };
  }
  const header = readFileSync(versionHeader, "utf8");
  const part = (/** @type {string} */ name) => new RegExp(`#define TORCH_VERSION_${name} (\\d+)`).exec(header)?.[1];
  const headerVersion = `${part("MAJOR")}.${part("MINOR")}.${part("PATCH")}`;
  const python = existsSync(join(dir, "version.py")) ? readFileSync(join(dir, "version.py"), "utf8") : "";
  const version = /__version__ = '([^']+)'/.exec(python)?.[1] ?? headerVersion;
  if (!buildable.test(version)) return { problem: `${dir} is libtorch ${version}; papo builds with 2.13 and 2.14` };
  return { dir, version, cuda: /^cuda\b.* = '([^']+)'/m.exec(python)?.[1], how };
}

/** @returns {string | undefined} the folder of the torch that `python3` would import, without importing it */
export function pythonTorch() {
  const python = findPython();
  const code =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
  return python && (capture(python, ["-c", code])?.trim() || undefined);
}

/**
 * The libtorch to build with, or what was looked at when there is none.
 * @returns {Libtorch | { tried: string[] }}
 * @throws {SetupError} when PAPO_LIBTORCH names a folder that does not do
 */
export function findLibtorch() {
  const named = process.env.PAPO_LIBTORCH;
  if (named) {
    const found = readLibtorch(resolve(named), "PAPO_LIBTORCH");
    if ("problem" in found) throw new SetupError(`PAPO_LIBTORCH=${named}: ${found.problem}`);
    return found;
  }
  const prepared = readLibtorch(join(libtorchDir, "torch"), "prepared by setup");
  if (!("problem" in prepared)) return prepared;
  const folder = pythonTorch();
  if (folder === undefined) return { tried: [prepared.problem, "python3 has no torch"] };
  const imported = readLibtorch(folder, "Python's torch");
  return "problem" in imported ? { tried: [prepared.problem, imported.problem] } : imported;
}

/**
 * What decides whether objects built against it can be kept.
 * @param {Libtorch} libtorch
 */
export function libtorchIdentity({ dir, version }) {
  return `${dir} ${realpathSync(dir)} ${version}`;
}
