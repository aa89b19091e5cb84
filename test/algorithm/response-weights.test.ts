import { expect, test } from "vitest";
import { isCorrect, perceptionWeights, responseWeights } from "../../lib/algorithm/response-weights.ts";
import { RewardError } from "../../lib/errors.ts";
import { algorithmConfig, runConfig } from "../support/config.ts";

const rewards = [
  { overall: 1, format: 1, accuracy: 1 },
  { overall: 0.1, format: 1, accuracy: 0 },
  { overall: 0.19, format: 1, accuracy: 0.1 },
  { overall: 0.3, format: 0, accuracy: 0.3 },
];
const lengths = [3, 5, 1, 7];
const advantages = [1, -1, 0.5, 0.25];

function weighting(klPrcp: Record<string, unknown>): number[] {
  return [...perceptionWeights(algorithmConfig({ klPrcp }).klPrcp, rewards)];
}

test("an accuracy of 0.1 is not yet correct", () => {
  expect(rewards.map(isCorrect)).toEqual([true, false, false, true]);
});

test("each apply mode weighs correct and incorrect responses as it says", () => {
  expect(weighting({ applyMode: "all" })).toEqual([1, 1, 1, 1]);
  expect(weighting({ applyMode: "correct" })).toEqual([1, 0, 0, 1]);
  expect(weighting({ applyMode: "incorrect" })).toEqual([0, 1, 1, 0]);
  expect(weighting({ applyMode: "weighted", incorrectWeighting: 0.25 })).toEqual([1, 0.25, 0.25, 1]);
});

test("a reward without accuracy is refused where correctness counts, and only there", () => {
  const bare = [{ overall: 1 }];
  expect([...perceptionWeights(algorithmConfig().klPrcp, bare)]).toEqual([1]);
  expect(() => perceptionWeights(algorithmConfig({ klPrcp: { applyMode: "correct" } }).klPrcp, bare)).toThrow(
    RewardError,
  );
});

test("entropies and metrics are token means in every averaging mode", () => {
  const config = runConfig({ algorithm: { lossAvgMode: "seq" } });
  const weights = responseWeights(config, { rewards, lengths, advantages });
  expect([...weights.tokenWeights]).toEqual([1 / 16, 1 / 16, 1 / 16, 1 / 16]);
  expect([...weights.lossWeights]).toEqual([1 / 12, 1 / 20, 1 / 4, 1 / 28]);
  expect(weights.advantages).toEqual(Float64Array.from(advantages));
  expect(weights).not.toHaveProperty("pgWeights");
  expect(weights).not.toHaveProperty("prcpWeights");
  expect(weights).not.toHaveProperty("sftWeights");
});

test("compat reference takes every token mean per micro-batch", () => {
  const config = runConfig({ compat: "reference", optim: { microBatchSize: 3 }, algorithm: { sft: { coef: 0.1 } } });
  const weights = responseWeights(config, { rewards, lengths });
  // micro-batches [3, 5, 1] and [7]
  expect([...weights.tokenWeights]).toEqual([1 / 18, 1 / 18, 1 / 18, 1 / 14]);
  expect([...weights.lossWeights]).toEqual([...weights.tokenWeights]);
  // correct: the first of [3, 5, 1], and [7]
  expect([...(weights.sftWeights ?? [])]).toEqual([1 / 6, 0, 0, 1 / 14]);
  expect(weights.advantages).toBeUndefined();
});

test("the SFT term is a mean over the tokens of all correct responses", () => {
  const weights = responseWeights(runConfig({ algorithm: { sft: { coef: 0.1 } } }), { rewards, lengths, advantages });
  expect([...(weights.sftWeights ?? [])]).toEqual([1 / 10, 0, 0, 1 / 10]);
});

test("GSPO's policy term is a mean over responses while the others stay token means", () => {
  const weights = responseWeights(runConfig({ algorithm: { policyLoss: "gspo" } }), { rewards, lengths, advantages });
  expect([...(weights.pgWeights ?? [])]).toEqual([1 / 12, 1 / 20, 1 / 4, 1 / 28]);
  expect([...weights.lossWeights]).toEqual([1 / 16, 1 / 16, 1 / 16, 1 / 16]);
});

test("perception weights come with the perception KL", () => {
  const config = runConfig({ algorithm: { klPrcp: { enabled: true, applyMode: "correct" } } });
  expect([...(responseWeights(config, { rewards, lengths, advantages }).prcpWeights ?? [])]).toEqual([1, 0, 0, 1]);
});

test("lists of different lengths throw", () => {
  expect(() => responseWeights(runConfig(), { rewards, lengths: [1], advantages })).toThrow(
    /equal counts, got 4, 1, 4/u,
  );
});
