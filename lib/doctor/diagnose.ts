import type { Diagnosis, Findings } from "./doctor.ts";

/** Below these papo still runs, but a run of some size will not. */
const littleMemory = 2e9;
const littleDisk = 2e9;

/** CUDA 13 needs a driver of the 580 series. */
const cudaSolutions = [
  "install NVIDIA's driver, version 580 or newer; in a container, start it with the GPUs (docker run --gpus all)",
  "or use the CPU build: unset PAPO_NATIVE and run `npm run build`; trainer.device is then cpu",
];

/** What is wrong with what was found. `needed`: papo does not run without it. */
export function diagnose({ native, machine }: Findings): Diagnosis[] {
  const diagnoses: Diagnosis[] = [];
  if ("problem" in native) diagnoses.push({ needed: true, ...native });
  if ("info" in native && native.info.cuda?.problem) {
    const problem = `the native module is a CUDA build that can use no GPU: ${native.info.cuda.problem}`;
    diagnoses.push({ needed: false, problem, solutions: cudaSolutions });
  }
  if (machine.memoryAvailable < littleMemory) {
    const problem = `${gigabytes(machine.memoryAvailable)} of memory available`;
    diagnoses.push({ needed: false, problem, solutions: ["end other programs, or use a smaller model and batch"] });
  }
  if (machine.diskFree !== undefined && machine.diskFree < littleDisk) {
    const problem = `${gigabytes(machine.diskFree)} free on this folder's disk`;
    diagnoses.push({ needed: false, problem, solutions: ["free some, or write the run elsewhere with --out"] });
  }
  if (process.arch === "x64" && machine.features.length > 0 && !machine.features.includes("avx2")) {
    const problem = "the processor has no AVX2: everything is several times slower";
    diagnoses.push({ needed: false, problem, solutions: ["use a machine from 2013 or later"] });
  }
  return diagnoses;
}

/** Bytes as `12.3 GB`. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
