import { describe, expect, test } from "vitest";
import type { OpSpec } from "../../lib/native/binding.ts";
import { testing } from "../support/objective.ts";

async function worst(dtype: OpSpec["dtype"], sizes: Record<string, number>): Promise<number> {
  const all = { rows: 111, vocab: 37, width: 24, temperature: 1, entropy: 1, tileBytes: 1 << 27, trained: 1 };
  return Math.max(
    ...Object.values(await testing.compareOp("token_log_probs", { dtype, seed: 3, sizes: { ...all, ...sizes } })),
  );
}

// tileBytes 1 gives tiles of 16 tokens: a vocabulary of 37 is three of them, the last one of 5.
describe.each([
  ["in one tile", {}],
  ["in three tiles", { tileBytes: 1 }],
  ["at temperature 0.7", { temperature: 0.7, tileBytes: 1 }],
  ["at temperature 3", { temperature: 3 }],
  ["without entropy", { entropy: 0, tileBytes: 1 }],
  ["of one row", { rows: 1, vocab: 1025 }],
  ["of a vocabulary of one", { vocab: 1, rows: 7 }],
  ["of a frozen head", { trained: 0, tileBytes: 1 }],
])("scores %s", (_, sizes: Record<string, number>) => {
  test("as composed, with the gradients of hidden states and head", async () => {
    expect(await worst("float32", sizes)).toBeLessThan(3e-5);
    expect(await worst("float64", sizes)).toBeLessThan(1e-12);
  });
});

test("bfloat16 scores and gradients are near the composed ones", async () => {
  expect(await worst("bfloat16", { width: 64, tileBytes: 1 })).toBeLessThan(0.03);
});

const options = { width: 1, temperature: 1, entropy: true, tileBytes: 1 };

/** Hidden states 1 of width 1, so that the head's weights are the logits. */
function scoreLogits(rows: number, logits: readonly number[], target: number, hidden = 1, more = {}) {
  return testing.tokenLogProbs(
    new Float64Array(rows).fill(hidden),
    Float64Array.from(logits),
    new Int32Array(rows).fill(target),
    { ...options, ...more },
  );
}

test("worked-out values: logits ln 1, ln 2, ln 5", async () => {
  // p = 1/8, 2/8, 5/8; entropy -(1/8 ln 1/8 + 2/8 ln 2/8 + 5/8 ln 5/8) = 0.259930 + 0.346574 + 0.293752
  const { logProbs, entropy, gradHead } = await scoreLogits(1, [0, Math.log(2), Math.log(5)], 1);
  expect(logProbs[0]).toBeCloseTo(Math.log(0.25), 12);
  expect(entropy[0]).toBeCloseTo(0.900256, 6);
  // d log p / d logits = 1[target] - p
  expect([...gradHead].map((value) => value.toFixed(12))).toEqual([
    "-0.125000000000",
    "0.750000000000",
    "-0.625000000000",
  ]);
});

test("a logit of -inf is a token of probability 0 and leaves the others alone", async () => {
  const { logProbs, entropy } = await scoreLogits(2, [0, -Infinity, 0], 0);
  expect([...logProbs]).toEqual([-Math.LN2, -Math.LN2]);
  expect(entropy[0]).toBeCloseTo(Math.LN2, 12);
});

test("a target of probability 0 has log-prob -inf", async () => {
  expect((await scoreLogits(1, [0, -Infinity], 1, 1, { entropy: false })).logProbs[0]).toBe(-Infinity);
});

test("large logits stay finite: only differences count", async () => {
  const { logProbs, entropy } = await scoreLogits(1, [1e5, 1e5 + 1, -1e5], 0);
  expect(logProbs[0]).toBeCloseTo(-Math.log(1 + Math.E), 9);
  // p = 1 / (1 + e): entropy = ln(1 + e) - e / (1 + e)
  expect(entropy[0]).toBeCloseTo(Math.log(1 + Math.E) - Math.E / (1 + Math.E), 9);
});

test.each([
  ["nan", [0, NaN, 1]],
  ["+inf", [0, Infinity, 1]],
  ["-inf everywhere", [-Infinity, -Infinity, -Infinity]],
])("logits of %s are E_NONFINITE", async (_, logits) => {
  await expect(scoreLogits(1, logits, 0)).rejects.toMatchObject({
    code: "E_NONFINITE",
    message: "[token_log_probs] logits of row 0 are not finite",
  });
});

test("the first row that is not finite is named, of all rows", async () => {
  const hidden = Float64Array.from({ length: 40 }, (_, row) => (row === 37 || row === 39 ? NaN : 1));
  const call = testing.tokenLogProbs(hidden, Float64Array.of(0, 1), new Int32Array(40), options);
  await expect(call).rejects.toThrow("logits of row 37 are not finite");
});
