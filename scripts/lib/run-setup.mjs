// The steps of setup and when each is needed. Nothing is locked, spawned or printed beyond one line when all is done.
import { findLibtorch } from "./libtorch.mjs";
import { withLock } from "./lock.mjs";
import { buildNative, nativeNeeded } from "./native.mjs";
import { installPackages, packagesNeeded } from "./packages.mjs";
import { describeMissing, findManager, findMissing } from "./prerequisites.mjs";
import { SetupError } from "./project.mjs";
import { startStep } from "./report.mjs";
import { buildTypescript, typescriptNeeded } from "./typescript.mjs";
import { prepareLibtorch } from "./wheel.mjs";

/**
 * Everything, or the named builds alone.
 * @typedef {{ packages: boolean, native: boolean, typescript: boolean }} Parts
 */

/** @param {Parts} parts */
function isDone(parts) {
  if (packagesNeeded() !== undefined) return false;
  if (parts.typescript && typescriptNeeded()) return false;
  if (!parts.native) return true;
  const libtorch = findLibtorch();
  return "dir" in libtorch && !nativeNeeded(libtorch);
}

async function ensurePackages(/** @type {Parts} */ parts) {
  const problem = packagesNeeded();
  if (problem === undefined) return;
  if (!parts.packages) throw new SetupError(`${problem}: run \`npm run setup\``);
  await installPackages(startStep("packages"));
}

async function ensureLibtorch(/** @type {Parts} */ parts) {
  const found = findLibtorch();
  if ("dir" in found) return found;
  if (!parts.packages) throw new SetupError(`no libtorch: ${found.tried.join("; ")}: run \`npm run setup\``);
  const step = startStep("libtorch");
  const prepared = await prepareLibtorch(step);
  step.done(`${prepared.version} in ${prepared.dir}`);
  return prepared;
}

async function ensureNative(/** @type {Parts} */ parts) {
  const libtorch = await ensureLibtorch(parts);
  if (!nativeNeeded(libtorch)) return;
  const step = startStep("native");
  await buildNative(libtorch, step);
  step.done(`built with libtorch ${libtorch.version} (${libtorch.how})`);
}

async function ensureTypescript() {
  if (!typescriptNeeded()) return;
  const step = startStep("typescript");
  await buildTypescript(step);
  step.done("compiled");
}

/** @param {Parts} parts */
async function doSteps(parts) {
  const missing = parts.packages ? findMissing() : [];
  if (missing.length > 0) throw new SetupError(describeMissing(missing, findManager()));
  await ensurePackages(parts);
  if (parts.typescript) await ensureTypescript();
  if (parts.native) await ensureNative(parts);
}

/**
 * Runs the steps that are needed and ends the process with 1 when one fails.
 * @param {Parts} parts
 */
export async function runSetup(parts) {
  try {
    if (!isDone(parts)) await withLock(() => doSteps(parts));
    process.stdout.write("papo: set up\n");
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\npapo setup: ${error.message}\n`);
    process.exitCode = 1;
  }
}
