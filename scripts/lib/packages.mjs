// node_modules from package-lock.json.
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runLogged } from "./process.mjs";
import { root, setupDir, SetupError } from "./project.mjs";

/** @typedef {{ packages: Record<string, { version?: string, optional?: boolean }> }} LockFile */

/**
 * Why node_modules does not hold what the lock file says; undefined when it does. Optional packages may be absent:
 * most are for other platforms.
 * @param {LockFile} lock package-lock.json
 * @param {LockFile | undefined} installed node_modules/.package-lock.json, which npm writes last
 * @returns {string | undefined}
 */
export function packagesProblem(lock, installed) {
  if (installed === undefined) return "node_modules is missing or unfinished";
  for (const [path, { version, optional }] of Object.entries(lock.packages)) {
    if (path === "" || (optional && installed.packages[path] === undefined)) continue;
    const have = installed.packages[path]?.version;
    if (have !== version) return `${path} is ${have ?? "missing"}, package-lock.json has ${version}`;
  }
  return undefined;
}

/** @returns {string | undefined} why `npm ci` has to run */
export function packagesNeeded() {
  const lockFile = join(root, "package-lock.json");
  if (!existsSync(lockFile)) return undefined; // installed from the registry, with its dependencies beside it
  const installedFile = join(root, "node_modules", ".package-lock.json");
  const read = (/** @type {string} */ file) => JSON.parse(readFileSync(file, "utf8"));
  return packagesProblem(read(lockFile), existsSync(installedFile) ? read(installedFile) : undefined);
}

/** @param {import("./report.mjs").Step} step */
export async function installPackages(step) {
  const folder = join(root, "node_modules");
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() && existsSync(folder)) {
    throw new SetupError(
      `${folder} is a link to packages that are out of date: run \`npm ci\` where it leads, or remove it`,
    );
  }
  step.update("npm ci");
  await runLogged("npm", ["ci", "--no-audit", "--no-fund"], { log: join(setupDir, "packages.log"), cwd: root });
  step.done("installed");
}
