// What the compiled kernels take of a GPU, as the CUDA build's own check leaves it (scripts/check-kernels.mjs).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../native/load.ts";

export interface KernelUsage {
  /** `file/kernel`, or `file/kernel<128>` for a template over sizes; the most that any of its instantiations takes. */
  readonly name: string;
  readonly launcher: string;
  /** 80, 90 or 100. */
  readonly sm: number;
  readonly threads: number;
  readonly registers: number;
  readonly sharedBytes: number;
  /** That an SM holds. */
  readonly blocks: number;
  /** Share of the warps that an SM can hold. */
  readonly occupancy: number;
}

/** The table of the last CUDA build; empty where there is none. */
export function readKernelUsage(root = packageRoot): KernelUsage[] {
  try {
    return JSON.parse(readFileSync(join(root, "build-cuda", "kernels.json"), "utf8")) as KernelUsage[];
  } catch {
    return [];
  }
}
