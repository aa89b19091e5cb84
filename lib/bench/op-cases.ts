// The sizes at which single ops are measured: those of an update of the peer's models s and m, and of the 3B's layers.
import type { OpName, OpSpec } from "../native/binding.ts";

export type SizeName = "s" | "m" | "3b";

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

/** Every op at a size, in the order of a training step's layer. */
export function opCases(size: SizeName, seed = 0): OpCase[] {
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
    ["token_log_probs", "token_log_probs", headSizes({ rows: predicted, width: hidden, vocab })],
    ["head gradient", "head_gradient", { rows: predicted, width: hidden, vocab }],
    ["adamw", "adamw", { weights }],
    ["row_linear", "row_linear", { rows: decoded, in: hidden, out: 2 * inner, bias: 0, keepPanels: 1 }],
    ["row_linear, head", "row_linear", { rows: decoded, in: hidden, out: vocab, bias: 0, keepPanels: 1 }],
    ["decode_attention", "decode_attention", attention, decodeGroups],
    ["sampler", "sampler", { rows: decoded, vocab, topP: 0.99 }],
  ];
  return cases.map(([label, op, numbers, caseGroups]) => ({
    label,
    op,
    spec: {
      ...{ dtype: "float32", seed, sizes: { ...numbers, trained: 1 } },
      ...(caseGroups ? { groups: caseGroups } : {}),
    },
  }));
}

/** 6 MiB of logits at a time: the default of the native op. */
function headSizes(numbers: Record<string, number>): Record<string, number> {
  return { ...numbers, temperature: 1, entropy: 0, tileBytes: 6 * 2 ** 20 };
}
