// libtorch for an installed package, which has a prebuilt module and needs no compiler: `papo setup`.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { prepareTorch } from "./cuda.mjs";
import { withLock } from "./lock.mjs";
import { SetupError } from "./project.mjs";
import { startStep } from "./report.mjs";
import { prepareLibtorch } from "./wheel.mjs";

/**
 * Prepares libtorch in a folder of the user's. An interrupted run goes on from the wheels that are there.
 * @param {string} folder gets torch/, for CUDA nvidia/ beside it
 * @param {boolean} cuda
 * @returns {Promise<string | undefined>} why it could not be done, with possible solutions
 */
export async function prepareInstalled(folder, cuda) {
  const step = startStep("libtorch");
  const where = { folder, logs: join(folder, "logs") };
  try {
    mkdirSync(folder, { recursive: true });
    const prepare = () => (cuda ? prepareTorch(step, where) : prepareLibtorch(step, where));
    const { version, dir } = await withLock(prepare, join(folder, "lock"));
    step.done(`${version} in ${dir}`);
    return undefined;
  } catch (error) {
    if (error instanceof SetupError) return error.message;
    throw error;
  }
}
