import { describe, expect, test } from "vitest";
import type { OpSpec } from "../../lib/native/binding.ts";
import { testing } from "../support/objective.ts";

// Prompts of 1, 7, 37 and 111 rows with responses of 0, 1, 7 and 37 rows, and one prompt alone; keys go 96 at a time.
const ragged = [[1, 0, 1, 7], [7, 37, 1, 0], [37, 7, 7, 37, 0], [111], [111, 1, 37], [193, 97, 3]];
const headLayouts = [
  [2, 2],
  [4, 2],
  [7, 1],
] as const;

function spec(dtype: OpSpec["dtype"], heads: number, kvHeads: number, headSize: number): OpSpec {
  return { dtype, seed: heads * headSize, sizes: { heads, kvHeads, headSize, trained: 1 }, groups: ragged };
}

async function worst(op: OpSpec): Promise<number> {
  const differences = await testing.compareOp("group_attention", op);
  expect(Object.keys(differences)).toEqual(["out", "grad qkv"]);
  return Math.max(...Object.values(differences));
}

describe.each([16, 24, 64, 80, 128])("heads of size %i", (headSize) => {
  test.each(headLayouts)("%i query heads over %i key heads: as composed, ragged groups", async (heads, kvHeads) => {
    expect(await worst(spec("float32", heads, kvHeads, headSize))).toBeLessThan(5e-6);
    expect(await worst(spec("float64", heads, kvHeads, headSize))).toBeLessThan(1e-13);
  });

  test("full blocks, as in the vision tower", async () => {
    const windows = { ...spec("float32", 3, 3, headSize), groups: [], fullBlocks: [4, 16, 1, 64, 37, 111] };
    expect(await worst(windows)).toBeLessThan(5e-6);
    expect(await worst({ ...windows, dtype: "float64" })).toBeLessThan(1e-13);
  });
});

test("bfloat16 rows are taken in float32", async () => {
  expect(await worst(spec("bfloat16", 4, 2, 64))).toBeLessThan(0.02);
});

test("a head size that is no whole number of vectors", async () => {
  expect(await worst(spec("float64", 3, 1, 7))).toBeLessThan(1e-13);
  expect(await worst(spec("float32", 3, 1, 37))).toBeLessThan(5e-6);
});

// Pages hold 64 tokens: one short of it, whole, one over, two pages and a bit; the tile is 8 queries.
test.each([
  [1, 1, 16],
  [4, 2, 24],
  [7, 1, 64],
  [14, 2, 128],
  [3, 3, 80],
])("decode attention, %i heads over %i of size %i", async (heads, kvHeads, headSize) => {
  const op = {
    ...spec("float32", heads, kvHeads, headSize),
    groups: [
      [1, 1, 63, 64],
      [37, 65, 130, 2, 7],
      [111, 128],
    ],
  };
  expect(await testing.compareDecodeAttention(op)).toBeLessThan(5e-6);
});
