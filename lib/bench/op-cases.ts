// The sizes at which single ops are measured: those of an update of the peer's models s and m, of the 3B's layers with
// few rows, and with those of a micro-batch of two groups.
import type { DeviceName, OpName, OpSpec } from "../native/binding.ts";

export type SizeName = "s" | "m" | "3b" | "3b-update";

interface Sizes {
  readonly hidden: number;
  readonly inner: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocab: number;
  /** Of a packed pass. */
  readonly rows: number;
  /** Rows of the head. */
  readonly predicted: number;
  /** Weights of an optimizer step. */
  readonly weights: number;
  /** [prompt rows, response rows ...] of each group of a packed pass. */
  readonly groups: readonly (readonly number[])[];
}

const five = (prompt: number, response: number): number[] => [prompt, ...Array<number>(5).fill(response)];

const sizes: Readonly<Record<SizeName, Sizes>> = {
  s: {
    ...{ hidden: 256, inner: 704, heads: 4, kvHeads: 2, headSize: 64, vocab: 4096 },
    ...{ rows: 2048, predicted: 640, weights: 10e6, groups: [five(300, 127), five(300, 127)] },
  },
  m: {
    ...{ hidden: 512, inner: 1408, heads: 8, kvHeads: 2, headSize: 64, vocab: 151_936 },
    ...{ rows: 2048, predicted: 640, weights: 101e6, groups: [five(300, 127), five(300, 127)] },
  },
  "3b": {
    ...{ hidden: 2048, inner: 11_008, heads: 16, kvHeads: 2, headSize: 128, vocab: 151_936 },
    ...{ rows: 256, predicted: 64, weights: 200e6, groups: [five(600, 100)] },
  },
  "3b-update": {
    ...{ hidden: 2048, inner: 11_008, heads: 16, kvHeads: 2, headSize: 128, vocab: 151_936 },
    ...{ rows: 7390, predicted: 2048, weights: 400e6, groups: [five(1200, 499), five(1200, 499)] },
  },
};

/** Responses decoded together, by eight prompts. */
const decoded = 40;

/** An op to measure. */
export interface OpCase {
  /** Tells cases of one op apart. */
  readonly label: string;
  readonly op: OpName;
  readonly spec: OpSpec;
}

/** Ops whose pairs are the CPU's own; a device's kernels for them are measured by `papo bench rollout`. */
const onCpuAlone: ReadonlySet<OpName> = new Set(["row_linear", "decode_attention", "sampler"]);

/** Every op of a device at a size, in the order of a training step's layer; on CUDA in bfloat16 but for the optimizer. */
export function opCases(size: SizeName, device: DeviceName = "cpu", seed = 0): OpCase[] {
  const { hidden, inner, heads, kvHeads, headSize, vocab, rows, predicted, weights, groups } = sizes[size];
  const attention = { heads, kvHeads, headSize };
  const [attended, allHeads] = [heads * headSize, heads + 2 * kvHeads];
  const decodeGroups = Array.from({ length: decoded / 5 }, () => five(300, 64));
  const cases: readonly (readonly [string, OpName, Record<string, number>, OpSpec["groups"]?])[] = [
    ["rms_norm", "rms_norm", { rows, width: hidden }],
    ["swiglu", "swiglu", { rows, width: inner, scale: 1 }],
    ["rope", "rope", { rows, heads, headSize }],
    ["linear", "linear", { rows, in: hidden, out: 2 * inner, bias: 0 }],
    ["layer_input", "layer_input", { rows, width: hidden, heads: allHeads, rotated: heads + kvHeads, headSize }],
    ["group_attention", "group_attention", attention, groups],
    ["layer_output", "layer_output", { rows, width: hidden, inner, attended, bias: 0 }],
    ["token_log_probs", "token_log_probs", headSizes({ rows: predicted, width: hidden, vocab }, device)],
    ["head gradient", "head_gradient", { rows: predicted, width: hidden, vocab }],
    ["adamw", "adamw", { weights }],
    ["row_linear", "row_linear", { rows: decoded, in: hidden, out: 2 * inner, bias: 0, keepPanels: 1 }],
    ["row_linear, head", "row_linear", { rows: decoded, in: hidden, out: vocab, bias: 0, keepPanels: 1 }],
    ["decode_attention", "decode_attention", attention, decodeGroups],
    ["sampler", "sampler", { rows: decoded, vocab, topP: 0.99 }],
  ];
  const ofDevice = device === "cpu" ? cases : cases.filter(([, op]) => !onCpuAlone.has(op));
  return ofDevice.map(([label, op, numbers, caseGroups]) => ({
    label,
    op,
    spec: {
      ...{ dtype: device === "cuda" && op !== "adamw" ? "bfloat16" : "float32", device },
      ...{ seed, sizes: { ...numbers, trained: 1 } },
      ...(caseGroups ? { groups: caseGroups } : {}),
    },
  }));
}

/** 6 MiB of logits at a time, 224 MiB on a device: the defaults of the native op. */
function headSizes(numbers: Record<string, number>, device: DeviceName): Record<string, number> {
  return { ...numbers, temperature: 1, entropy: 0, tileBytes: (device === "cpu" ? 6 : 224) * 2 ** 20 };
}
