import { describe, expect, test } from "vitest";
import type { OpSpec } from "../../lib/native/binding.ts";
import { testing } from "../support/objective.ts";

type Op = Parameters<typeof testing.compareOp>[0];

async function differences(op: Op, dtype: OpSpec["dtype"], sizes: Record<string, number>) {
  return await testing.compareOp(op, { dtype, seed: 7, sizes: { trained: 1, ...sizes } });
}

async function worst(op: Op, dtype: OpSpec["dtype"], sizes: Record<string, number>): Promise<number> {
  return Math.max(...Object.values(await differences(op, dtype, sizes)));
}

const cases: readonly (readonly [Op, Record<string, number>])[] = [
  ["rms_norm", { rows: 1, width: 7 }],
  ["rms_norm", { rows: 111, width: 37 }],
  ["rms_norm", { rows: 129, width: 128 }],
  ["swiglu", { rows: 1, width: 1, scale: 1 }],
  ["swiglu", { rows: 37, width: 111, scale: 3 }],
  ["swiglu", { rows: 7, width: 64, scale: 40 }], // sigmoids at both ends
  ["rope", { rows: 1, heads: 1, headSize: 2 }],
  ["rope", { rows: 111, heads: 7, headSize: 24 }],
  ["linear", { rows: 37, in: 7, out: 111, bias: 1 }],
  ["linear", { rows: 1, in: 111, out: 1, bias: 0 }],
  ["embedding", { rows: 111, vocab: 37, width: 7 }], // 111 ids of 37: repeated
  ["embedding", { rows: 7, vocab: 1, width: 1 }],
  ["kl_divergence", { rows: 37, vocab: 111, width: 24, temperature: 1, chunkBytes: 1 }], // chunks of 16 rows
  ["kl_divergence", { rows: 7, vocab: 37, width: 16, temperature: 0.7, chunkBytes: 1e6 }],
  ["layer_input", { rows: 1, width: 7, heads: 3, rotated: 2, headSize: 2 }],
  ["layer_input", { rows: 37, width: 111, heads: 7, rotated: 5, headSize: 24 }],
  ["layer_input", { rows: 1030, width: 16, heads: 3, rotated: 2, headSize: 8 }], // two blocks backward, three forward
  ["layer_output", { rows: 1, width: 7, inner: 3, attended: 5, bias: 0 }],
  ["layer_output", { rows: 37, width: 111, inner: 37, attended: 24, bias: 1 }],
  ["layer_output", { rows: 1030, width: 16, inner: 24, attended: 8, bias: 1 }],
];

describe.each(cases)("%s %j", (op, sizes) => {
  test("as composed, forward and backward", async () => {
    expect(await worst(op, "float32", sizes)).toBeLessThan(1e-5);
    expect(await worst(op, "float64", sizes)).toBeLessThan(1e-13);
  });

  test("bfloat16 as composed, with float32 weight gradients", async () => {
    expect(await worst(op, "bfloat16", sizes)).toBeLessThan(0.02);
  });

  test("without weight gradients", async () => {
    expect(await worst(op, "float64", { ...sizes, trained: 0 })).toBeLessThan(1e-13);
  });
});

test("the gradients of all inputs and weights are compared", async () => {
  const names = async (op: Op, sizes: Record<string, number>) => Object.keys(await differences(op, "float64", sizes));
  expect(await names("rms_norm", { rows: 3, width: 5 })).toEqual(["y", "grad x", "grad weight"]);
  expect(await names("linear", { rows: 3, in: 5, out: 2, bias: 1 })).toEqual([
    "y",
    "grad x",
    "grad weight",
    "grad bias",
  ]);
  expect(await names("embedding", { rows: 3, vocab: 5, width: 2 })).toEqual(["y", "grad table"]);
});

// Rows go 6, 4, 2 and 1 at a time, inputs and outputs by vectors of 16.
test.each([
  [1, 1, 1],
  [2, 7, 37],
  [3, 16, 16],
  [7, 17, 111],
  [13, 111, 15],
  [37, 129, 65],
])("row_linear of %i rows, %i inputs and %i outputs is linear's", async (rows, from, to) => {
  for (const [bias, keepPanels] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ] as const) {
    const sizes = { rows, in: from, out: to, bias, keepPanels };
    expect(await worst("row_linear", "float32", sizes)).toBeLessThan(1e-6);
    expect(await worst("row_linear", "bfloat16", sizes)).toBeLessThan(0.008); // one step of rounding apart
  }
});

// The libraries that a processor may get: BLAS, papo's own, and float32 for bfloat16. Sizes on both sides of the own one's
// tiles, panels and blocks.
test.each([
  [0, "float32", 1e-5],
  [1, "float32", 1e-5],
  [2, "bfloat16", 0.02],
] as const)("products by library %i in %s are at::mm's, and nothing beside them", async (library, dtype, bound) => {
  for (const [rows, from, to] of [
    [1, 1, 1],
    [37, 111, 7],
    [768, 256, 256],
    [129, 512, 1408],
    [300, 43, 4100],
  ] as const)
    for (const add of [0, 1])
      expect(await worst("product", dtype, { rows, in: from, out: to, library, add })).toBeLessThan(bound);
});
