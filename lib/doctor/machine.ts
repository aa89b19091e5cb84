import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { promisify } from "node:util";

export interface Machine {
  readonly processor: string;
  /** Cores that this process may use. */
  readonly cores: number;
  /** Instruction sets that matter here, of `avx2 fma avx512 avx512_bf16 amx_bf16 neon bf16`. */
  readonly features: readonly string[];
  /** Bytes; of the container where one sets a limit. */
  readonly memoryTotal: number;
  /** Bytes that can be taken without swapping. */
  readonly memoryAvailable: number;
  /** Free bytes of the current folder's disk; undefined where the system does not say. */
  readonly diskFree: number | undefined;
  /** One line a GPU, `name, driver version, memory`; empty without nvidia-smi. Nothing here needs one. */
  readonly gpus: readonly string[];
}

const smiTimeoutMs = 10_000;

/** Names of /proc/cpuinfo's flags (x86) and features (Arm) as they are printed. */
const featureNames = new Map([
  ["avx2", "avx2"],
  ["fma", "fma"],
  ["avx512f", "avx512"],
  ["avx512_bf16", "avx512_bf16"],
  ["amx_bf16", "amx_bf16"],
  ["asimd", "neon"],
  ["bf16", "bf16"],
]);

/** The features that /proc/cpuinfo's text lists for the first processor. */
export function cpuFeatures(cpuinfo: string): string[] {
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/));
  return [...featureNames].filter(([flag]) => flags.has(flag)).map(([, name]) => name);
}

function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return ""; // not Linux
  }
}

async function diskFree(dir: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(dir);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

async function listGpus(): Promise<string[]> {
  const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", query, { timeout: smiTimeoutMs });
    return stdout.trim().split("\n");
  } catch {
    return [];
  }
}

/** What the machine offers; `dir` is where a run would write. */
export async function readMachine(dir: string): Promise<Machine> {
  return {
    processor: cpus()[0]?.model.trim() ?? process.arch,
    cores: availableParallelism(),
    features: cpuFeatures(readCpuinfo()),
    // 0 or a huge number where no limit is set
    memoryTotal: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
    memoryAvailable: process.availableMemory(),
    diskFree: await diskFree(dir),
    gpus: await listGpus(),
  };
}
