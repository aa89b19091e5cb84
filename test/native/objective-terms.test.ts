// Each loss term on cases small enough to work out by hand.
import { expect, test } from "vitest";
import type { LossSpec, ObjectiveTokens } from "../../lib/native/binding.ts";
import { plainSpec, run, singleClipSpec, testing, tokenMeanWeights } from "../support/objective.ts";

/** A batch from log ratios (new - old), with old log-probs of -1. */
function fromLogRatios(lengths: readonly number[], logRatios: readonly number[], advantages: readonly number[]) {
  const tokens: ObjectiveTokens = {
    responseLengths: Int32Array.from(lengths),
    logProbs: Float64Array.from(logRatios, (ratio) => ratio - 1),
    oldLogProbs: new Float64Array(logRatios.length).fill(-1),
  };
  return { tokens, weights: tokenMeanWeights(lengths, advantages) };
}

test("a ratio outside the clips loses its gradient only where the clip is the pessimistic choice", async () => {
  // ratios 1.5, 0.5 with A = 1, then the same with A = -1; clips 0.8 and 1.3
  const ratios = [Math.log(1.5), Math.log(0.5), Math.log(1.5), Math.log(0.5)];
  const { metrics, gradients } = await run(fromLogRatios([2, 2], ratios, [1, -1]), plainSpec);
  // losses -1.3 (clipped), -0.5, 1.5, 0.8 (clipped)
  expect(metrics["pg_loss"]).toBeCloseTo((-1.3 - 0.5 + 1.5 + 0.8) / 4, 12);
  expect(metrics["pg_clipfrac_higher"]).toBeCloseTo(0.5, 12);
  expect([...(gradients.logProbs ?? [])].map((value) => value * 4)).toEqual([
    expect.closeTo(0, 12),
    expect.closeTo(-0.5, 12),
    expect.closeTo(1.5, 12),
    expect.closeTo(0, 12),
  ]);
});

test("the dual clip caps the loss of a negative advantage and takes its gradient away", async () => {
  const batch = fromLogRatios([1, 1], [Math.log(5), Math.log(5)], [-2, 2]);
  const capped = await run(batch, plainSpec);
  // A = -2: min(2 * 5, 2 * 3) = 6; A = 2: -2 * 1.3
  expect(capped.metrics["pg_loss"]).toBeCloseTo((6 - 2.6) / 2, 12);
  expect(capped.metrics["pg_clipfrac_lower"]).toBeCloseTo(0.5, 12);
  expect([...(capped.gradients.logProbs ?? [])]).toEqual([0, 0]);
  const open = await run(batch, singleClipSpec);
  expect(open.metrics["pg_loss"]).toBeCloseTo((10 - 2.6) / 2, 12);
  expect(open.metrics["pg_clipfrac_lower"]).toBe(0);
});

test("log ratios are held within 20, so the loss stays finite", async () => {
  const { loss, metrics } = await run(fromLogRatios([1, 1], [300, -300], [-1, -1]), { ...plainSpec, clipDual: 1e6 });
  expect(loss).toBeCloseTo((1e6 + 0.8) / 2, 3);
  expect(metrics["ppo_kl"]).toBeCloseTo(0, 12);
});

const gspo: LossSpec = { ...singleClipSpec, policyLoss: "gspo", clipLow: 0.1, clipHigh: 0.2 };

test("GSPO clips one ratio a response and averages over responses", async () => {
  // mean log ratios 0.1 (open), 0.5 (clipped at 1.2, A > 0), 0.5 (open, A < 0)
  const batch = fromLogRatios([2, 1, 3], [0.3, -0.1, 0.5, 0.5, 0.2, 0.8], [1, 2, -1]);
  const pgWeights = Float64Array.from([1 / 6, 1 / 3, 1 / 9]);
  const { metrics, gradients } = await run({ ...batch, weights: { ...batch.weights, pgWeights } }, gspo);
  expect(metrics["pg_loss"]).toBeCloseTo((-Math.exp(0.1) - 2 * 1.2 + Math.exp(0.5)) / 3, 12);
  expect(metrics["pg_clipfrac_higher"]).toBeCloseTo(1 / 6, 12); // one of six tokens' responses
  // d loss_i / d log prob_t = -A s_i / length
  const first = -Math.exp(0.1) / 6;
  const third = Math.exp(0.5) / 9;
  [first, first, 0, third, third, third].forEach((value, index) => {
    expect(gradients.logProbs?.[index]).toBeCloseTo(value, 12);
  });
});

test("GSPO with one token a response is the ratio clip of PPO without dual clip", async () => {
  const batch = fromLogRatios([1, 1, 1], [0.3, -0.4, 0.05], [1, -1, 0.5]);
  const ppo = await run(batch, { ...gspo, policyLoss: "ppo" });
  expect((await run(batch, gspo)).loss).toBeCloseTo(ppo.loss, 12);
});

async function perceptionGradient(s: number): Promise<readonly [number, number]> {
  const tokens = {
    responseLengths: Int32Array.from([1]),
    logProbs: Float64Array.from([-1]),
    oldLogProbs: Float64Array.from([-1]),
    augLogProbs: Float64Array.from([-1 + s]),
  };
  const { metrics, gradients } = await run(
    { tokens, weights: tokenMeanWeights([1], [0]) },
    { ...plainSpec, klPrcp: { coef: 1, estimator: "k3" } },
  );
  return [-(metrics["kl_prcp_loss"] ?? NaN), -(gradients.logProbs?.[0] ?? NaN)];
}

test("k3 has the gradient 1 - e^s inside its clamps and none outside", async () => {
  for (const s of [-10.9, -1, 0, 0.5, 2.61]) {
    const [value, slope] = await perceptionGradient(s);
    expect(value).toBeCloseTo(Math.exp(s) - s - 1, 9);
    expect(slope).toBeCloseTo(1 - Math.exp(s), 9);
  }
  // e^s - s - 1 passes 10 at s = 2.6109 and at s = -11.0000
  for (const s of [-300, -20.1, -11.001, 2.611, 5, 300]) {
    const [value, slope] = await perceptionGradient(s);
    expect([value, Math.abs(slope)]).toEqual([10, 0]);
  }
});

/** One response whose k1 estimates are the given ones. */
function fromEstimates(lengths: readonly number[], estimates: readonly number[]) {
  const tokens: ObjectiveTokens = {
    responseLengths: Int32Array.from(lengths),
    logProbs: new Float64Array(estimates.length).fill(-1),
    oldLogProbs: new Float64Array(estimates.length).fill(-1),
    augLogProbs: Float64Array.from(estimates, (value) => -1 - value),
  };
  return {
    tokens,
    weights: tokenMeanWeights(
      lengths,
      lengths.map(() => 0),
    ),
  };
}

test("token selection keeps each response's largest estimates and leaves the denominator alone", async () => {
  // 0.6-quantile of 1 2 3 4 5 6: position 3, so 4; of 9 7: 8.2; of a single value: itself
  const batch = fromEstimates([6, 0, 2, 1], [3, 1, 6, 2, 5, 4, 9, 7, 0.5]);
  const spec: LossSpec = { ...plainSpec, klPrcp: { coef: 1, estimator: "k1", tokenTopP: 0.4 } };
  const { metrics, gradients, perceptionKl } = await run(batch, spec);
  expect(metrics["kl_prcp_loss"]).toBeCloseTo(-(4 + 5 + 6 + 9 + 0.5) / 9, 12);
  const kept = [...(gradients.logProbs ?? [])].map((value) => value !== 0);
  expect(kept).toEqual([false, false, true, false, true, true, true, false, true]);
  expect([...perceptionKl]).toEqual([3.5, 0, 8, 0.5]); // before selection
});

test("token selection never keeps NaN", async () => {
  const batch = fromEstimates([3], [NaN, 1, 2]);
  const spec: LossSpec = { ...plainSpec, klPrcp: { coef: 1, estimator: "k1", tokenTopP: 0.5 } };
  expect((await run(batch, spec)).metrics["kl_prcp_loss"]).toBeCloseTo(-2 / 3, 12);
});

test("perception clipping holds each token between 0 and the bound, after weighting", async () => {
  const batch = fromEstimates([4], [-1, 0.1, 0.3, 5]);
  const weights = { ...batch.weights, prcpWeights: Float64Array.from([0.5]) };
  const spec: LossSpec = { ...plainSpec, klPrcp: { coef: 1, estimator: "k1", clip: 0.2 } };
  const { metrics, perceptionKl } = await run({ ...batch, weights }, spec);
  expect(metrics["kl_prcp_loss"]).toBeCloseTo(-(0 + 0.05 + 0.15 + 0.2) / 4, 12);
  expect(perceptionKl[0]).toBeCloseTo(1.1, 12);
});

test("a response of weight 0 adds nothing to the perception loss, whatever its log-probs", async () => {
  for (const estimator of ["k1", "abs", "mse", "k3"] as const) {
    const batch = fromEstimates([1, 2], [Infinity, 0.5, 0.25]);
    const weights = { ...batch.weights, prcpWeights: Float64Array.from([0, 1]) };
    const report = await run({ ...batch, weights }, { ...plainSpec, klPrcp: { coef: 1, estimator } });
    expect(Number.isFinite(report.loss)).toBe(true);
    expect(report.gradients.logProbs?.[0]).toBeCloseTo(0, 12);
    expect(report.gradients.logProbs?.[1]).not.toBe(0);
  }
});

test("the SFT term is the weighted -log prob of its responses", async () => {
  const batch = fromLogRatios([2, 3], [-0.5, 0, 7, 7, 7], [0, 0]);
  const weights = { ...batch.weights, sftWeights: Float64Array.from([1 / 2, 0]) };
  const { loss, metrics } = await run({ ...batch, weights }, { ...plainSpec, sftCoef: 0.1 });
  expect(metrics["sft_loss"]).toBeCloseTo(1.25, 12);
  expect(loss).toBeCloseTo(0.125, 12);
});

test("full entropy replaces the sampled one", async () => {
  const batch = fromLogRatios([1, 1], [0, 0], [0, 0]);
  const tokens = { ...batch.tokens, entropy: Float64Array.of(1, 2), augEntropy: Float64Array.of(3, 5) };
  const spec: LossSpec = { ...plainSpec, entropy: "full", augEntropyCoef: 0.1, oriEntropyCoef: 0.2 };
  const { loss, metrics, gradients } = await run({ ...batch, tokens }, spec);
  expect(metrics["ori_entropy_loss"]).toBeCloseTo(1.5, 12);
  expect(metrics["aug_entropy_loss"]).toBeCloseTo(4, 12);
  expect(loss).toBeCloseTo(0.7, 12);
  expect([...(gradients.entropy ?? [])]).toEqual([0.1, 0.1]);
  expect([...(gradients.augEntropy ?? [])]).toEqual([0.05, 0.05]);
});

test("KL totals are per response, and 0 for an empty one", async () => {
  const logProbs = Float64Array.of(-1, -2, -3);
  const { sums, means } = await testing.klEstimate(
    logProbs,
    Float64Array.of(-1.5, -1, -7),
    "k1",
    Int32Array.of(2, 0, 1),
  );
  expect([...sums]).toEqual([-0.5, 0, 4]);
  expect([...means]).toEqual([-0.25, 0, 4]);
});

test("REINFORCE++ takes the KL penalties from the token on and whitens over all tokens", async () => {
  // rewards-to-go: 1 - 0.1 * (1 + 2) = 0.7, 1 - 0.1 * 2 = 0.8, and 0 - 0.1 * 5 = -0.5
  // mean 1/3, deviations 0.366667 0.466667 -0.833333, variance 1.046667 / 2
  const kl = Float64Array.of(1, 2, 5);
  const values = await testing.reinforcePlusPlus(Float64Array.of(1, 9, 0), Int32Array.of(2, 0, 1), kl, 0.1);
  const std = Math.sqrt(1.046667 / 2);
  [0.366667, 0.466667, -0.833333].forEach((value, index) => {
    expect(values[index]).toBeCloseTo(value / std, 5);
  });
});

test("losses and entropy_loss average by the loss weights, entropy terms and clip fractions by token", async () => {
  // response 1: one token, response 2: three; ratios 2 (clipped at 1.3), 1, 1, 1; A = 1
  const batch = fromLogRatios([1, 3], [Math.log(2), 0, 0, 0], [1, 1]);
  const weights = { ...batch.weights, lossWeights: Float64Array.of(1 / 2, 1 / 6) };
  const tokens = {
    ...batch.tokens,
    refLogProbs: batch.tokens.logProbs.map((value, index) => value - (index === 0 ? 2 : 4)),
    augLogProbs: batch.tokens.logProbs.map((value, index) => value - (index === 0 ? 2 : 4)),
  };
  const spec: LossSpec = { ...plainSpec, klRef: { coef: 0, estimator: "k1" }, klPrcp: { coef: 0, estimator: "k1" } };
  const { metrics } = await run({ tokens, weights }, spec);
  const nll = [1 - Math.log(2), 1, 1, 1];
  const mean = (first: number, others: number) => (first + 3 * others) / 4;
  expect(metrics["pg_loss"]).toBeCloseTo(-(1.3 + 1) / 2, 12);
  expect(metrics["kl_loss"]).toBeCloseTo(3, 12);
  expect(metrics["kl_prcp_loss"]).toBeCloseTo(-3, 12);
  expect(metrics["entropy_loss"]).toBeCloseTo(((nll[0] ?? NaN) + 1) / 2, 12);
  expect(metrics["ori_entropy_loss"]).toBeCloseTo(mean(nll[0] ?? NaN, 1), 12);
  expect(metrics["aug_entropy_loss"]).toBeCloseTo(mean((nll[0] ?? NaN) + 2, 5), 12);
  expect(metrics["pg_clipfrac_higher"]).toBeCloseTo(1 / 4, 12);
  expect(metrics["ppo_kl"]).toBeCloseTo(mean(-Math.log(2), 0), 12);
  expect(metrics["total_loss"]).toBe(metrics["pg_loss"]);
});

test("with no patch masked the perception KL is 0 and pushes nowhere", async () => {
  const batch = fromLogRatios([2, 1], [0.1, -0.2, 0.3], [0, 0]);
  const tokens = { ...batch.tokens, augLogProbs: batch.tokens.logProbs };
  const report = await run({ ...batch, tokens }, { ...plainSpec, klPrcp: { coef: 1, estimator: "k3" } });
  expect([...report.perceptionKl]).toEqual([0, 0]);
  expect(report.gradients.logProbs?.every((value) => Math.abs(value) === 0)).toBe(true);
});
