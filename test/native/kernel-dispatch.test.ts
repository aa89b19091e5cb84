// Ops and whole steps on the device `emulated`: the way that CUDA takes, with the kernels on the CPU, beside the CPU's.
import { describe, expect, test } from "vitest";
import type { OpSpec } from "../../lib/native/binding.ts";
import { testing } from "../support/objective.ts";

type Op = Parameters<typeof testing.compareOp>[0];

async function differences(op: Op, dtype: OpSpec["dtype"], sizes: Record<string, number>, more: Partial<OpSpec> = {}) {
  return await testing.compareOp(op, { dtype, device: "emulated", seed: 7, sizes: { trained: 1, ...sizes }, ...more });
}
async function worst(...args: Parameters<typeof differences>): Promise<number> {
  return Math.max(...Object.values(await differences(...args)));
}

const cases: readonly (readonly [Op, Record<string, number>])[] = [
  ["rms_norm", { rows: 1, width: 7 }],
  ["rms_norm", { rows: 111, width: 37 }],
  ["rms_norm", { rows: 70, width: 128 }],
  ["swiglu", { rows: 37, width: 111, scale: 3 }],
  ["swiglu", { rows: 7, width: 64, scale: 40 }], // sigmoids at both ends
  ["rope", { rows: 37, heads: 7, headSize: 24 }],
  ["linear", { rows: 37, in: 7, out: 111, bias: 1 }],
  ["embedding", { rows: 111, vocab: 37, width: 7 }], // 111 ids of 37: repeated
  ["layer_input", { rows: 37, width: 111, heads: 7, rotated: 5, headSize: 24 }],
  ["layer_output", { rows: 37, width: 111, inner: 37, attended: 24, bias: 1 }],
];

describe.each(cases)("%s %j", (op, sizes) => {
  test("by kernels as composed, forward and backward", async () => {
    console.log(op, await differences(op, "float32", sizes), await differences(op, "bfloat16", sizes));
    expect(await worst(op, "float32", sizes)).toBeLessThan(1e-5);
    expect(await worst(op, "bfloat16", sizes)).toBeLessThan(0.02);
  });
});

test("attention by runs of sequences as composed, over groups and windows", async () => {
  const sizes = { heads: 6, kvHeads: 2, headSize: 24 };
  const plans = {
    groups: [
      [37, 7, 0, 1, 24],
      [5, 3],
      [1, 2],
      [7],
    ],
    fullBlocks: [16, 1, 24],
  };
  console.log(await differences("group_attention", "float32", sizes, plans), await differences("group_attention", "bfloat16", sizes, plans));
  expect(await worst("group_attention", "float32", sizes, plans)).toBeLessThan(1e-5);
  expect(await worst("group_attention", "bfloat16", sizes, plans)).toBeLessThan(0.02);
});
