// The addon for NVIDIA GPUs: build-cuda/Release/papo.node, beside the CPU's build, and the check of its kernels.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkKernels } from "../check-kernels.mjs";
import { prepareCuda } from "./cuda.mjs";
import { withLock } from "./lock.mjs";
import { cmakeGenerator, dropForeignBuild, runCmakeJs } from "./native.mjs";
import { packagesNeeded } from "./packages.mjs";
import { describeMissing, findManager, findMissing } from "./prerequisites.mjs";
import { capture, runLogged } from "./process.mjs";
import { root, setupDir, SetupError, writeAtomic } from "./project.mjs";
import { startStep } from "./report.mjs";

export const cudaBuildDir = join(root, "build-cuda");
export const cudaAddon = join(cudaBuildDir, "Release", "papo.node");

async function build() {
  if (process.platform !== "linux") throw new SetupError(`CUDA builds are for Linux, this is ${process.platform}`);
  const missing = findMissing();
  if (missing.length > 0) throw new SetupError(describeMissing(missing, findManager()));
  const packages = packagesNeeded();
  if (packages !== undefined) throw new SetupError(`${packages}: run \`npm run setup\``);

  const step = startStep("cuda");
  const { toolkit, libtorch } = await prepareCuda(step);
  const nvcc = join(toolkit, "bin", "nvcc");
  const generator = cmakeGenerator();
  const compiler = capture(nvcc, ["--version"])?.trim().split("\n").at(-1) ?? "";
  dropForeignBuild(libtorch, generator, {
    folder: cudaBuildDir,
    stamp: "cuda-objects",
    toolkit: `${toolkit} ${compiler}`,
  });
  const options = {
    PAPO_CUDA: "ON",
    PAPO_TORCH_DIR: libtorch.dir,
    CMAKE_CUDA_COMPILER: nvcc,
    CUDAToolkit_ROOT: toolkit,
  };
  const defines = Object.entries(options).map(([name, value]) => `--CD${name}=${value}`);
  await runCmakeJs([...defines, "-O", cudaBuildDir, "-G", generator], "cuda", step);
  if (!existsSync(cudaAddon)) throw new SetupError(`${cudaAddon} is missing after the build`);
  const problem = await loadOnce();
  writeAtomic(join(setupDir, "libtorch-cuda.json"), JSON.stringify(libtorch)); // for `papo doctor`
  step.done(`built with libtorch ${libtorch.version} (${libtorch.how}) and ${toolkit}`);
  if (problem) process.stdout.write(`  it loads here, but ${problem}\n`);
  checkKernels(cudaBuildDir, toolkit);
}

/**
 * Loads the addon in another process.
 * @returns {Promise<string>} why it can use no GPU here; empty where it can
 */
async function loadOnce() {
  const code = `console.log(JSON.stringify(require(${JSON.stringify(cudaAddon)}).runtimeInfo().cuda))`;
  await runLogged(process.execPath, ["-e", code], { log: join(setupDir, "cuda-load.log"), cwd: root });
  return JSON.parse(capture(process.execPath, ["-e", code]) ?? "{}").problem ?? "";
}

/** Builds the CUDA addon and ends the process with 1 when that or the check of its kernels fails. */
export async function runCudaBuild() {
  try {
    await withLock(build);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\npapo setup: ${error.message}\n`);
    process.exitCode = 1;
  }
}
