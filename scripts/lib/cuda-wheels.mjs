// A CUDA 13 toolkit and a libtorch for it from their wheels, in .libtorch/cuda: pip downloads (and checks the index's
// hash), Python unpacks (and checks each file's CRC). A note a wheel makes an interrupted run go on with the next one.
// pip install --target is no way: of wheels that share the folder nvidia/, each removes what the one before it put there.
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { findPython } from "./prerequisites.mjs";
import { libtorchDir, setupDir, SetupError, writeAtomic } from "./project.mjs";
import { download, unpack } from "./wheel.mjs";

/** @typedef {{ wheels: readonly string[], bytes: number }} WheelSet bytes: unpacked, and the biggest wheel beside them */

export const cudaDir = join(libtorchDir, "cuda");

/** The libtorch that is prepared for CUDA. */
export const cudaTorchVersion = "2.14.1";

/** nvcc and what it needs; cccl has the headers under cuda_bf16.h and libtorch's. @type {WheelSet} */
export const toolkitWheels = {
  wheels: [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-cccl==13.0.85",
    "nvidia-cuda-runtime==13.0.96",
  ],
  bytes: 1e9,
};

/**
 * libtorch and what it loads, in the versions that its own metadata asks for; nvJitLink of a later 13 serves earlier ones.
 * @type {WheelSet}
 */
export const torchWheels = {
  wheels: [
    `torch==${cudaTorchVersion}`,
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-cuda-cupti==13.0.85",
    "nvidia-cublas==13.1.1.3",
    "nvidia-cudnn-cu13==9.24.0.43",
    "nvidia-cusparse==12.6.3.3",
    "nvidia-cusparselt-cu13==0.8.1",
    "nvidia-cusolver==12.0.4.66",
    "nvidia-curand==10.4.0.35",
    "nvidia-cufft==12.0.0.61",
    "nvidia-cufile==1.15.1.6",
    "nvidia-nccl-cu13==2.30.7",
    "nvidia-nvshmem-cu13==3.4.5",
    "nvidia-nvjitlink==13.*",
    "nvidia-nvtx==13.0.85",
  ],
  bytes: 6e9,
};

/** Of all of these wheels: libraries, headers and programs; of torch nothing that is Python's. */
export const cudaMembers =
  "nvidia/(?!.*\\.pyi?$).*|torch/include/.*|torch/version\\.py|torch\\.libs/.*|" +
  "torch/lib/lib(?!torch_python|shm|caffe2_nvrtc_test)[^/]*\\.so[^/]*";

const otherwise =
  "or install a CUDA 13 toolkit and set CUDA_HOME to its folder; or, for libtorch, set PAPO_LIBTORCH to the torch/\n" +
  "    folder of an installed torch 2.14 for CUDA 13, its nvidia/ folder beside it";

/**
 * Unpacks a set of wheels into a folder, where they are not yet.
 * @param {WheelSet} set
 * @param {import("./report.mjs").Step} step
 * @param {{ folder?: string, logs?: string }} [where] a clone's by default
 * @throws {SetupError} with possible solutions
 */
export async function installWheels({ wheels, bytes }, step, { folder = cudaDir, logs = setupDir } = {}) {
  const note = (/** @type {string} */ wheel) => join(folder, ".wheels", wheel);
  const missing = wheels.filter((wheel) => !existsSync(note(wheel)));
  if (missing.length === 0) return;
  const python = findPython();
  if (python === undefined) throw new SetupError("Python 3 with pip is needed to prepare CUDA's wheels");
  mkdirSync(folder, { recursive: true });
  checkRoom(folder, (bytes * missing.length) / wheels.length);
  const downloads = join(folder, "download");
  for (const wheel of missing) {
    const label = `${wheel} (${wheels.indexOf(wheel) + 1} of ${wheels.length})`;
    const file = await download(python, wheel, step, { folder: downloads, logs, otherwise, label });
    step.update(`unpacking ${label}`);
    await unpack(python, file, cudaMembers, { folder, logs });
    writeAtomic(note(wheel), "");
    rmSync(file);
  }
  rmSync(downloads, { recursive: true, force: true });
}

/**
 * @param {string} folder
 * @param {number} bytes
 */
function checkRoom(folder, bytes) {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new SetupError(
    `${folder}: ${(free / 1e9).toFixed(1)} GB free, CUDA's wheels take ${(bytes / 1e9).toFixed(1)} GB\n` +
      `Possible solutions:\n  - free some, or let ${libtorchDir} be a link to a larger disk\n  - ${otherwise}`,
  );
}

/**
 * The names under which compilers and cmake look for what the wheels hold.
 * @param {string} toolkit nvidia/cu13
 */
export function linkAsToolkit(toolkit) {
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
