// Single ops against their composed references and against what the machine can do at best.
import { NativeError } from "../errors.ts";
import type { DeviceName, NativeTesting, OpBench } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import type { OpCase } from "./op-cases.ts";

/** Largest difference over the largest value that rounding explains at these sizes. */
const tolerances = { float32: 1e-4, bfloat16: 0.03, float64: 1e-4 } as const;

/** What the machine can do at best, measured. */
export interface Ceilings {
  /** FLOP/s of a float32 product, on CUDA of a bfloat16 one. */
  readonly productRate: number;
  /** Bytes/s read from memory, on CUDA read and written. */
  readonly memoryRate: number;
}

/** One part of one op. */
export interface OpTiming {
  readonly op: string;
  readonly part: OpBench["parts"][number]["name"];
  readonly ms: number;
  readonly composedMs: number;
  readonly gflops: number;
  readonly gbPerS: number;
  /** What bounds it on this machine: its arithmetic or its bytes, whichever would take longer at the ceiling. */
  readonly bound: "product" | "memory";
  /** Time at that ceiling over the time that it took; data that stays in the caches may exceed 1. */
  readonly share: number;
}

export interface OpReport {
  readonly op: string;
  /** Largest of all compared outputs and gradients. */
  readonly difference: number;
  readonly passed: boolean;
  readonly timings: readonly OpTiming[];
}

export async function measureCeilings(device: DeviceName): Promise<Ceilings> {
  const native = loadNative();
  return { productRate: await native.productRate(device), memoryRate: await native.memoryRate(device) };
}

/**
 * Compares an op with its composed reference, then times both.
 * @param seconds of each form
 * @throws {NativeError} in a build without the references
 */
export async function benchOp({ label, op, spec }: OpCase, seconds: number, ceilings: Ceilings): Promise<OpReport> {
  const native = loadNative();
  if (!native.runtimeInfo().testing)
    throw new NativeError(
      "E_VALUE",
      "bench_op",
      "the composed references are in builds with PAPO_TESTING alone: run `npm run build:native` in a clone of papo",
    );
  const testing = native as unknown as NativeTesting;
  const { differences, parts } = await callNative({}, () => testing.benchOp(op, spec, seconds));
  const difference = Math.max(...Object.values(differences));
  return {
    op: label,
    difference,
    passed: difference <= tolerances[spec.dtype],
    timings: parts.map((part) => timing(label, part, ceilings)),
  };
}

/** @param part `flops` and `bytes` are those of the least work, whatever the form did */
export function timing(op: string, part: OpBench["parts"][number], ceilings: Ceilings): OpTiming {
  const { name, seconds, composedSeconds, flops, bytes } = part;
  const atBest = { product: flops / ceilings.productRate, memory: bytes / ceilings.memoryRate };
  const bound = atBest.product > atBest.memory ? "product" : "memory";
  return {
    ...{ op, part: name, ms: seconds * 1e3, composedMs: composedSeconds * 1e3 },
    ...{ gflops: flops / seconds / 1e9, gbPerS: bytes / seconds / 1e9 },
    ...{ bound, share: atBest[bound] / seconds },
  };
}
