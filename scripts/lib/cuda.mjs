// The CUDA 13 toolkit and the libtorch for it: what is installed, or wheels unpacked into .libtorch/cuda by pip.
import { existsSync, mkdirSync, readdirSync, statfsSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { readLibtorch } from "./libtorch.mjs";
import { findPython } from "./prerequisites.mjs";
import { capture, runLogged } from "./process.mjs";
import { libtorchDir, root, setupDir, SetupError } from "./project.mjs";

/** @typedef {import("./libtorch.mjs").Libtorch} Libtorch */

export const cudaDir = join(libtorchDir, "cuda");
const preparedToolkit = join(cudaDir, "nvidia", "cu13");
/** torch, its CUDA libraries and the compiler, unpacked. */
const bytesNeeded = 6e9;

const compilerWheels = ["nvcc==13.0.88", "crt==13.0.*", "cccl==13.0.*", "runtime==13.0.*"].map(
  (name) => `nvidia-cuda-${name}`,
);
const libraryWheels = [
  "nvidia-cuda-runtime==13.0.*",
  "nvidia-cuda-nvrtc==13.0.*",
  "nvidia-cuda-cupti==13.0.*",
  "nvidia-cublas==13.*",
  "nvidia-cudnn-cu13",
  "nvidia-cusparse",
  "nvidia-cusparselt-cu13",
  "nvidia-cusolver",
  "nvidia-curand",
  "nvidia-cufft",
  "nvidia-cufile",
  "nvidia-nccl-cu13",
  "nvidia-nvshmem-cu13",
  "nvidia-nvjitlink",
  "nvidia-nvtx",
];

/**
 * The folder of a CUDA 13 toolkit that is there; undefined when none is.
 * @returns {string | undefined}
 */
export function findToolkit() {
  const named = [process.env.CUDA_HOME, process.env.CUDA_PATH];
  const nvcc = capture("sh", ["-c", "command -v nvcc"])?.trim();
  const usual = existsSync("/usr/local") ? readdirSync("/usr/local").filter((name) => name.startsWith("cuda")) : [];
  const folders = [
    ...named,
    ...usual.sort().map((name) => join("/usr/local", name)),
    ...(nvcc ? [dirname(dirname(nvcc))] : []),
    preparedToolkit,
  ];
  return folders.find((folder) => folder && isToolkit(folder));
}

/** @param {string} folder */
function isToolkit(folder) {
  const text = capture(join(folder, "bin", "nvcc"), ["--version"]) ?? "";
  return /release 13\./.test(text) && existsSync(join(folder, "include", "cuda_runtime.h"));
}

/**
 * A libtorch 2.14 for CUDA 13 that is there; undefined when none is.
 * @returns {Libtorch | undefined}
 * @throws {SetupError} when PAPO_LIBTORCH names one that is not for CUDA 13
 */
export function findCudaLibtorch() {
  const named = process.env.PAPO_LIBTORCH;
  const python = findPython();
  const code =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
  const imported = python && capture(python, ["-c", code])?.trim();
  const places = named ? [named] : [join(cudaDir, "torch"), ...(imported ? [imported] : [])];
  for (const dir of places) {
    const found = readLibtorch(dir, named ? "PAPO_LIBTORCH" : "CUDA build");
    if (!("problem" in found) && found.cuda?.startsWith("13.") && existsSync(join(dir, "lib", "libtorch_cuda.so")))
      return found;
  }
  if (named) throw new SetupError(`PAPO_LIBTORCH=${named}: expected libtorch 2.14 for CUDA 13 (torch's cu130 wheel)`);
  return undefined;
}

/**
 * Unpacks wheels into .libtorch/cuda; pip skips what is there already.
 * @param {readonly string[]} wheels
 * @param {import("./report.mjs").Step} step
 * @throws {SetupError} with what to do
 */
async function installWheels(wheels, step) {
  const python = findPython();
  if (python === undefined) throw new SetupError("python3 with pip is needed to prepare CUDA's libraries");
  mkdirSync(cudaDir, { recursive: true });
  const { bavail, bsize } = statfsSync(cudaDir);
  if (bavail * bsize < bytesNeeded)
    throw new SetupError(
      `CUDA's libraries need ${(bytesNeeded / 1e9).toFixed(0)} GB in ${cudaDir}, ${((bavail * bsize) / 1e9).toFixed(1)} GB are free`,
    );
  for (const [index, wheel] of wheels.entries()) {
    step.update(`${wheel} (${index + 1} of ${wheels.length})`);
    const args = ["-m", "pip", "install", "--no-deps", "--retries", "0", "--upgrade", "--target", cudaDir, wheel];
    try {
      await runLogged(python, args, { log: join(setupDir, "cuda-wheels.log"), cwd: root });
    } catch (error) {
      throw new SetupError(
        `${wheel} could not be installed.\n${error instanceof Error ? error.message : ""}\nPossible solutions:\n` +
          "  - install the CUDA 13 toolkit and set CUDA_HOME to its folder\n" +
          "  - set PAPO_LIBTORCH to the torch/ folder of an installed torch 2.14 for CUDA 13, its libraries beside it\n" +
          "  - without network: put the wheels into a folder and set PIP_FIND_LINKS to it; then run this again",
      );
    }
  }
}

/**
 * What the CUDA build needs, prepared where it is not there.
 * @param {import("./report.mjs").Step} step
 * @returns {Promise<{ toolkit: string, libtorch: Libtorch }>}
 */
export async function prepareCuda(step) {
  if (findToolkit() === undefined) {
    await installWheels(["nvidia-nvvm==13.0.*", ...compilerWheels], step);
    linkAsToolkit(preparedToolkit);
  }
  if (findCudaLibtorch() === undefined) await installWheels(["torch==2.14.1", ...libraryWheels], step);
  const [toolkit, libtorch] = [findToolkit(), findCudaLibtorch()];
  if (toolkit === undefined)
    throw new SetupError(`${preparedToolkit} holds no nvcc 13 after its wheels were installed`);
  if (libtorch === undefined)
    throw new SetupError(`${cudaDir} holds no libtorch 2.14 for CUDA 13 after it was installed`);
  return { toolkit, libtorch };
}

/**
 * The names under which compilers and cmake look for what the wheels hold.
 * @param {string} toolkit nvidia/cu13
 */
function linkAsToolkit(toolkit) {
  const lib = join(toolkit, "lib");
  const link = (/** @type {string} */ target, /** @type {string} */ path) => {
    if (!existsSync(path)) symlinkSync(target, path);
  };
  link("lib", join(toolkit, "lib64"));
  mkdirSync(join(lib, "stubs"), { recursive: true });
  for (const name of readdirSync(lib)) {
    const plain = /^(lib.+\.so)\.\d/.exec(name)?.[1];
    if (plain) link(name, join(lib, plain));
  }
}
