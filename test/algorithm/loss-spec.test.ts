import { expect, test } from "vitest";
import { entropyDiscount, lossSpec, needsAugLogProbs } from "../../lib/algorithm/loss-spec.ts";
import { algorithmConfig } from "../support/config.ts";

test("without PAPO terms the spec is the clipped policy gradient", () => {
  expect(lossSpec(algorithmConfig(), 0)).toEqual({
    policyLoss: "ppo",
    clipLow: 0.2,
    clipHigh: 0.3,
    clipDual: 3,
    augEntropyCoef: 0,
    oriEntropyCoef: 0,
    entropy: "sampled",
    sftCoef: 0,
  });
});

test("the reference KL is a loss term in mode loss only", () => {
  const klRef = { coef: 0.01, estimator: "k3" };
  expect(lossSpec(algorithmConfig({ klRef: { ...klRef, mode: "loss" } }), 0).klRef).toEqual(klRef);
  expect(lossSpec(algorithmConfig({ klRef: { ...klRef, mode: "reward" } }), 0)).not.toHaveProperty("klRef");
  expect(lossSpec(algorithmConfig({ klRef: { ...klRef, mode: "off" } }), 0)).not.toHaveProperty("klRef");
});

test("selection and clipping of the perception KL are passed on when set", () => {
  const on = { enabled: true, coef: 0.02, estimator: "k3" };
  expect(lossSpec(algorithmConfig({ klPrcp: on }), 0.02).klPrcp).toEqual({ coef: 0.02, estimator: "k3" });
  expect(lossSpec(algorithmConfig({ klPrcp: { ...on, tokenTopP: 0.2, clipping: 0.3 } }), 0.01).klPrcp).toEqual({
    coef: 0.01,
    estimator: "k3",
    tokenTopP: 0.2,
    clip: 0.3,
  });
});

test("GSPO has its own clips and no dual clip", () => {
  const spec = lossSpec(algorithmConfig({ policyLoss: "gspo" }), 0);
  expect([spec.clipLow, spec.clipHigh, spec.clipDual]).toEqual([3e-4, 4e-4, undefined]);
});

test("an annealed perception KL discounts both entropies", () => {
  const algorithm = algorithmConfig({
    klPrcp: { enabled: true, coef: 0.02, schedule: "annealing" },
    entropy: { augCoef: 0.03, oriCoef: 0.05 },
  });
  const spec = lossSpec(algorithm, 0.01);
  expect(spec.augEntropyCoef).toBeCloseTo(0.015, 15);
  expect(spec.oriEntropyCoef).toBeCloseTo(0.025, 15);
  expect(lossSpec(algorithm, 0.02).augEntropyCoef).toBe(0.03);
});

test("what the collapse guard leaves of the weight does not discount the entropies", () => {
  const algorithm = algorithmConfig({ klPrcp: { enabled: true, coef: 0.02 }, entropy: { oriCoef: 0.05 } });
  expect(lossSpec(algorithm, 0.02, 0.25)).toMatchObject({ klPrcp: { coef: 0.005 }, oriEntropyCoef: 0.05 });
});

test("entropies without the perception KL are not discounted", () => {
  expect(entropyDiscount(algorithmConfig({ klPrcp: { coef: 0.02 } }), 0)).toBe(1);
});

test("a coefficient of 0 leaves nothing to discount by", () => {
  const algorithm = algorithmConfig({ klPrcp: { enabled: true, coef: 0, schedule: "annealing" } });
  expect(entropyDiscount(algorithm, 0)).toBe(1);
  expect(entropyDiscount(algorithm, 0.01)).toBe(1);
  expect(lossSpec(algorithm, 0.01)).toMatchObject({ klPrcp: { coef: 0.01 }, augEntropyCoef: 0, oriEntropyCoef: 0 });
});

test("log-probs on the masked picture are needed by the perception KL and by its entropy", () => {
  expect(needsAugLogProbs(algorithmConfig())).toBe(false);
  expect(needsAugLogProbs(algorithmConfig({ klPrcp: { enabled: true } }))).toBe(true);
  expect(needsAugLogProbs(algorithmConfig({ entropy: { augCoef: 0.03 } }))).toBe(true);
});
