// What a prebuilt module's manifest.json says: the loader refuses what does not fit it.
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { atLeast } from "./prerequisites.mjs";
import { capture } from "./process.mjs";
import { root } from "./project.mjs";

/** @typedef {{ file: string, sha256: string, bytes: number }} File */
/**
 * papo: its version; revision: git's, "-dirty" behind it where files differ, or null; napi: the least Node-API;
 * libtorch: the release and its CUDA; glibc, glibcxx: the newest symbols asked of the C and C++ libraries;
 * modules: the best first, cpu: what /proc/cpuinfo must list.
 * @typedef {{ papo: string, revision: string | null, napi: number, libtorch: { version: string, cuda: string | null },
 *   glibc: string, glibcxx: string, preload: File, modules: (File & { cpu: readonly string[] })[] }} Manifest
 */

/**
 * @param {string} out
 * @param {import("./libtorch.mjs").Libtorch} libtorch
 * @param {readonly { file: string, cpu: readonly string[] }[]} modules
 * @returns {Manifest}
 */
export function manifestOf(out, libtorch, modules) {
  const { version, binary } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const symbols = modules.map(({ file }) => capture("readelf", ["-V", join(out, file)]) ?? "").join("\n");
  return {
    papo: version,
    revision: gitRevision(),
    napi: binary.napi_versions[0],
    libtorch: { version: libtorch.version.split("+")[0] ?? "", cuda: libtorch.cuda ?? null },
    glibc: newestSymbol(symbols, "GLIBC"),
    glibcxx: newestSymbol(symbols, "GLIBCXX"),
    preload: fileOf(out, "preload.node"),
    modules: modules.map(({ file, cpu }) => ({ ...fileOf(out, file), cpu })),
  };
}

/**
 * @param {string} folder
 * @param {string} file
 * @returns {File}
 */
function fileOf(folder, file) {
  const bytes = readFileSync(join(folder, file));
  return { file, sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
}

function gitRevision() {
  const git = (/** @type {string[]} */ ...args) => capture("git", ["-C", root, ...args])?.trim();
  const commit = git("rev-parse", "HEAD");
  return commit ? `${commit}${git("status", "--porcelain") === "" ? "" : "-dirty"}` : null;
}

/**
 * @param {string} listing readelf -V's
 * @param {"GLIBC" | "GLIBCXX"} library
 * @returns {string} the newest version that is asked for; empty when none is
 */
export function newestSymbol(listing, library) {
  const versions = [...listing.matchAll(new RegExp(`\\b${library}_([\\d.]+)`, "g"))].map((match) => match[1] ?? "");
  return versions.reduce((newest, version) => (atLeast(newest, version) ? newest : version), "");
}

/**
 * @param {string} file
 * @returns {string} "2.9 MB"
 */
export const describeModule = (file) => `${(statSync(file).size / 1e6).toFixed(1)} MB`;
