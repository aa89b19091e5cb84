import { expect, test } from "vitest";
import { lossWeights, microBatchTokenWeights, tokenWeights } from "../../lib/algorithm/loss-weights.ts";

const batch = { lengths: [2, 6, 1, 0, 7], microBatchSize: 2, maxResponseLength: 10 };

function total(weights: Float64Array): number {
  return weights.reduce((sum, weight, index) => sum + weight * (batch.lengths[index] ?? 0), 0);
}

test("token weights are the same for every token of the batch", () => {
  expect([...lossWeights("token", batch)]).toEqual([1 / 16, 1 / 16, 1 / 16, 1 / 16, 1 / 16]);
});

test("sequence weights give every response the same share, an empty one included", () => {
  expect([...lossWeights("seq", batch)]).toEqual([1 / 10, 1 / 30, 1 / 5, 0, 1 / 35]);
});

test("reference weights give every micro-batch of the rollout order the same share", () => {
  // micro-batches [2, 6], [1, 0], [7]: 1/3 of 1/8, of 1/1, of 1/7
  expect([...lossWeights("reference", batch)]).toEqual([1 / 24, 1 / 24, 1 / 3, 0, 1 / 21]);
});

test("Dr.GRPO divides by a constant", () => {
  expect([...lossWeights("dr_grpo", batch)]).toEqual([1 / 50, 1 / 50, 1 / 50, 1 / 50, 1 / 50]);
});

test("weights of a mean add up to 1 over the tokens", () => {
  expect(total(lossWeights("token", batch))).toBeCloseTo(1, 12);
  expect(total(lossWeights("reference", batch))).toBeCloseTo(1, 12);
  expect(total(lossWeights("seq", batch))).toBeCloseTo(4 / 5, 12); // the empty response's share is 0
});

test("with all lengths equal, token, sequence and reference averaging agree", () => {
  const even = { lengths: [3, 3, 3, 3], microBatchSize: 2, maxResponseLength: 7 };
  for (const mode of ["seq", "reference"] as const) {
    lossWeights(mode, even).forEach((weight) => {
      expect(weight).toBeCloseTo(1 / 12, 15);
    });
  }
});

test("only the selected responses share a token mean", () => {
  expect([...tokenWeights(batch, (index) => index > 0)]).toEqual([0, 1 / 14, 1 / 14, 1 / 14, 1 / 14]);
  expect([...microBatchTokenWeights(batch, (index) => index === 1)]).toEqual([0, 1 / 18, 0, 0, 0]);
});

test("a selection without tokens weighs nothing, not NaN or infinity", () => {
  expect([...tokenWeights(batch, () => false)]).toEqual([0, 0, 0, 0, 0]);
  expect([...microBatchTokenWeights(batch, (index) => index === 3)]).toEqual([0, 0, 0, 0, 0]);
  expect([...lossWeights("token", { ...batch, lengths: [0, 0] })]).toEqual([0, 0]);
});

test("a micro-batch size below 1 throws", () => {
  expect(() => lossWeights("reference", { ...batch, microBatchSize: 0 })).toThrow(
    /microBatchSize: expected >= 1, got 0/u,
  );
});
