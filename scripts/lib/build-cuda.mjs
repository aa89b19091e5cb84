// The addon for NVIDIA GPUs: build-cuda/Release/papo.node, beside the CPU's build, and the check of its kernels.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, freemem } from "node:os";
import { dirname, join } from "node:path";
import { checkKernels } from "../check-kernels.mjs";
import { prepareCuda } from "./cuda.mjs";
import { withLock } from "./lock.mjs";
import { bytesPerJob } from "./native.mjs";
import { capture, runLogged } from "./process.mjs";
import { root, setupDir, SetupError } from "./project.mjs";
import { startStep } from "./report.mjs";

const require = createRequire(import.meta.url);
export const cudaBuildDir = join(root, "build-cuda");
export const cudaAddon = join(cudaBuildDir, "Release", "papo.node");

async function build() {
  const step = startStep("cuda");
  const { toolkit, libtorch } = await prepareCuda(step);
  const generator = capture("ninja", ["--version"]) === undefined ? "Unix Makefiles" : "Ninja";
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / bytesPerJob)));
  const cmakeJs = join(dirname(require.resolve("cmake-js/package.json")), "bin", "cmake-js");
  const options = {
    PAPO_CUDA: "ON",
    PAPO_TORCH_DIR: libtorch.dir,
    CMAKE_CUDA_COMPILER: join(toolkit, "bin", "nvcc"),
    CUDAToolkit_ROOT: toolkit,
  };
  const common = [
    ...Object.entries(options).map(([name, value]) => `--CD${name}=${value}`),
    ...["-O", cudaBuildDir, "-G", generator, "--parallel", String(jobs)],
  ];
  for (const command of ["configure", "build"]) {
    step.update(command === "configure" ? "configuring" : "building");
    await runLogged(process.execPath, [cmakeJs, command, ...common], {
      log: join(setupDir, `cuda-${command}.log`),
      cwd: root,
      onLine: (line) => {
        const progress = /^\[\s*(\d+\/\d+|\d+%)\]/.exec(line);
        if (progress) step.update(`building ${progress[1]}`);
      },
    });
  }
  if (!existsSync(cudaAddon)) throw new SetupError(`${cudaAddon} is missing after the build`);
  const code = `console.log(JSON.stringify(require(${JSON.stringify(cudaAddon)}).runtimeInfo().cuda))`;
  await runLogged(process.execPath, ["-e", code], { log: join(setupDir, "cuda-load.log"), cwd: root });
  step.done(`built with libtorch ${libtorch.version} and ${toolkit}`);
  const { problem } = JSON.parse(capture(process.execPath, ["-e", code]) ?? "{}");
  if (problem) process.stdout.write(`  it loads here, but ${problem}\n`);
  checkKernels(cudaBuildDir, toolkit);
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
