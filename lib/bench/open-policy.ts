import type { DeviceName } from "../native/binding.ts";
import { type OpenOptions, Policy } from "../policy/policy.ts";

/** What the benchmarks of whole passes have in common. */
export interface PolicyBenchOptions {
  readonly dtype: "float32" | "bfloat16";
  readonly device: DeviceName;
  /** Random weights for the folder's config.json, which need no files of weights. */
  readonly randomWeights: boolean;
  /** Of all random numbers. */
  readonly seed: number;
}

/** @throws {CheckpointError} for the folder */
export async function openForBench(
  dir: string,
  { dtype, device, randomWeights, seed }: PolicyBenchOptions,
  more: OpenOptions = {},
): Promise<Policy> {
  const options = { dtype, device, ...more };
  return await (randomWeights ? Policy.initialize(dir, seed, options) : Policy.open(dir, options));
}
