// Finding what a CUDA build needs: a CUDA 13 toolkit and a libtorch for it, prepared from wheels where there is none.
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { cudaDir, installWheels, linkAsToolkit, toolkitWheels, torchWheels } from "./cuda-wheels.mjs";
import { pythonTorch, readLibtorch } from "./libtorch.mjs";
import { capture } from "./process.mjs";
import { setupDir, SetupError } from "./project.mjs";

/** @typedef {import("./libtorch.mjs").Libtorch} Libtorch */

const preparedToolkit = join(cudaDir, "nvidia", "cu13");
/** What nvcc, the compiler's test by cmake and libtorch's headers ask for. */
const toolkitFiles = ["include/cuda_runtime.h", "include/cuda_occupancy.h", "lib64/libcudart.so"];

/**
 * The folder of a CUDA 13 toolkit that is there: CUDA_HOME or CUDA_PATH, /usr/local/cuda*, that of nvcc on the path, the
 * prepared one; undefined when none is.
 * @returns {string | undefined}
 */
export function findToolkit() {
  const nvcc = capture("sh", ["-c", "command -v nvcc"])?.trim();
  const usual = existsSync("/usr/local") ? readdirSync("/usr/local").filter((name) => name.startsWith("cuda")) : [];
  const folders = [
    process.env.CUDA_HOME,
    process.env.CUDA_PATH,
    ...usual.sort().map((name) => join("/usr/local", name)),
    ...(nvcc ? [dirname(dirname(realpathSync(nvcc)))] : []),
    preparedToolkit,
  ];
  return folders.find((folder) => folder && isToolkit(folder));
}

/** @param {string} folder */
export function isToolkit(folder) {
  const text = capture(join(folder, "bin", "nvcc"), ["--version"]) ?? "";
  return /release 13\./.test(text) && toolkitFiles.every((file) => existsSync(join(folder, file)));
}

/**
 * A libtorch 2.14 for CUDA 13 that is there: PAPO_LIBTORCH, the prepared one, Python's torch; undefined when none is.
 * @returns {Libtorch | undefined}
 * @throws {SetupError} when PAPO_LIBTORCH names one that is not for CUDA 13
 */
export function findCudaLibtorch() {
  const named = process.env.PAPO_LIBTORCH;
  if (named) {
    const found = readCudaLibtorch(named, "PAPO_LIBTORCH");
    if ("problem" in found) throw new SetupError(`PAPO_LIBTORCH=${named}: ${found.problem}`);
    return found;
  }
  const prepared = readCudaLibtorch(join(cudaDir, "torch"), "prepared for CUDA");
  if (!("problem" in prepared)) return prepared;
  const folder = pythonTorch();
  const imported = folder === undefined ? undefined : readCudaLibtorch(folder, "Python's torch");
  return imported && !("problem" in imported) ? imported : undefined;
}

/**
 * @param {string} dir
 * @param {string} how
 * @returns {Libtorch | { problem: string }}
 */
export function readCudaLibtorch(dir, how) {
  const found = readLibtorch(dir, how);
  if ("problem" in found) return found;
  if (found.cuda?.startsWith("13.") && existsSync(join(dir, "lib", "libtorch_cuda.so"))) return found;
  const what = found.cuda === undefined ? "for the CPU" : `for CUDA ${found.cuda}`;
  return { problem: `it is libtorch ${found.version} ${what}; expected 2.14 for CUDA 13 (torch's cu130 wheel)` };
}

/**
 * What the CUDA build needs, prepared where it is not there.
 * @param {import("./report.mjs").Step} step
 * @returns {Promise<{ toolkit: string, libtorch: Libtorch }>}
 * @throws {SetupError} with possible solutions
 */
export async function prepareCuda(step) {
  // Both searches first: a wrong PAPO_LIBTORCH is told before gigabytes come over the network.
  const [toolkit, libtorch] = [findToolkit(), findCudaLibtorch()];
  return {
    toolkit: toolkit ?? (await prepareToolkit(step)),
    libtorch: libtorch ?? (await prepareTorch(step)),
  };
}

/**
 * @param {import("./report.mjs").Step} step
 * @param {string} [folder]
 */
export async function prepareToolkit(step, folder = cudaDir) {
  await installWheels(toolkitWheels, step, { folder });
  const toolkit = join(folder, "nvidia", "cu13");
  linkAsToolkit(toolkit);
  if (isToolkit(toolkit)) return toolkit;
  throw new SetupError(
    `${toolkit} is no CUDA 13 toolkit after its wheels were unpacked: remove ${folder}, run this again`,
  );
}

/**
 * @param {import("./report.mjs").Step} step
 * @param {{ folder?: string, logs?: string }} [where] a clone's by default
 */
export async function prepareTorch(step, { folder = cudaDir, logs = setupDir } = {}) {
  await installWheels(torchWheels, step, { folder, logs });
  const found = readCudaLibtorch(join(folder, "torch"), "prepared for CUDA");
  if (!("problem" in found)) return found;
  throw new SetupError(`${found.problem}: remove ${folder}, then run this again`);
}
