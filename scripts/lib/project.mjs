// Where things are, and the stamps in .setup/ that say what has been done already.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** The project's folder. */
export const root = dirname(dirname(import.meta.dirname));
/** Stamps, logs and the lock. */
export const setupDir = join(root, ".setup");
/** The prepared libtorch and its download. */
export const libtorchDir = join(root, ".libtorch");

/** A failure that the user can repair; its text is printed without a stack. */
export class SetupError extends Error {}

/**
 * Writes a file so that a kill leaves the old or the new one.
 * @param {string} file
 * @param {string} text
 */
export function writeAtomic(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

/**
 * What the last finished run of a step was made from; undefined when it never finished.
 * @param {string} step
 * @returns {string | undefined}
 */
export function readStamp(step) {
  const file = join(setupDir, `${step}.stamp`);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/**
 * @param {string} step
 * @param {string} key
 */
export function writeStamp(step, key) {
  writeAtomic(join(setupDir, `${step}.stamp`), key);
}

/**
 * All files below the given files and folders (absolute paths, sorted); absent ones give nothing.
 * @param {readonly string[]} paths
 * @returns {string[]}
 */
export function listFiles(paths) {
  return paths
    .flatMap((path) => {
      if (!existsSync(path)) return [];
      const entries = tryReaddir(path);
      if (entries === undefined) return [path];
      return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    })
    .sort();
}

/** @param {string} path */
function tryReaddir(path) {
  try {
    return readdirSync(path, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOTDIR") return undefined;
    throw error;
  }
}

/**
 * One hash over names and contents of all files below the paths, and over the facts.
 * @param {readonly string[]} paths
 * @param {readonly string[]} facts
 */
export function hashInputs(paths, facts) {
  const hash = createHash("sha256");
  for (const file of listFiles(paths)) hash.update(`${relative(root, file)}\0`).update(readFileSync(file));
  for (const fact of facts) hash.update(`\0${fact}`);
  return hash.digest("hex");
}
