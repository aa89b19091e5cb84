// What must hold for the objective whatever the numbers: gradients, coefficients, packing, empty responses.
import { expect, test } from "vitest";
import type { LossSpec, ObjectiveTokens } from "../../lib/native/binding.ts";
import {
  fullSpec,
  gradient,
  largestDifference,
  objectiveCase,
  plainSpec,
  run,
  slice,
  uniforms,
  type ObjectiveCase,
} from "../support/objective.ts";

const sample = objectiveCase([7, 1, 37, 0, 2], 3);
const size = sample.tokens.logProbs.length;

const terms: Record<string, LossSpec> = {
  "clipped policy gradient": plainSpec,
  "policy gradient with a tight dual clip": { ...plainSpec, clipDual: 1.2 },
  GSPO: { ...plainSpec, policyLoss: "gspo", clipLow: 0.05, clipHigh: 0.05 },
  "reference KL k1": { ...plainSpec, klRef: { coef: 0.5, estimator: "k1" } },
  "reference KL abs": { ...plainSpec, klRef: { coef: 0.5, estimator: "abs" } },
  "reference KL mse": { ...plainSpec, klRef: { coef: 0.5, estimator: "mse" } },
  "reference KL k3": { ...plainSpec, klRef: { coef: 0.5, estimator: "k3" } },
  "perception KL k3": { ...plainSpec, klPrcp: { coef: 0.5, estimator: "k3" } },
  "perception KL k1": { ...plainSpec, klPrcp: { coef: 0.5, estimator: "k1" } },
  "perception KL abs": { ...plainSpec, klPrcp: { coef: 0.5, estimator: "abs" } },
  "perception KL mse": { ...plainSpec, klPrcp: { coef: 0.5, estimator: "mse" } },
  "perception KL of selected, clipped tokens": {
    ...plainSpec,
    klPrcp: { coef: 0.5, estimator: "k3", tokenTopP: 0.3, clip: 0.2 },
  },
  "sampled entropies": { ...plainSpec, augEntropyCoef: 0.3, oriEntropyCoef: 0.2 },
  "full entropies": { ...plainSpec, augEntropyCoef: 0.3, oriEntropyCoef: 0.2, entropy: "full" },
  SFT: { ...plainSpec, sftCoef: 0.4 },
  "everything together": fullSpec,
};

function moved(batch: ObjectiveCase, field: "logProbs" | "augLogProbs" | "entropy" | "augEntropy", by: Float64Array) {
  const values = batch.tokens[field] ?? new Float64Array();
  const tokens: ObjectiveTokens = { ...batch.tokens, [field]: values.map((value, index) => value + (by[index] ?? 0)) };
  return { ...batch, tokens };
}

/** (loss(x + h d) - loss(x - h d)) / 2h for a direction d in one field. */
async function finiteDifference(spec: LossSpec, field: Parameters<typeof moved>[1], direction: Float64Array) {
  const step = 1e-6;
  const along = (by: number) =>
    run(
      moved(
        sample,
        field,
        direction.map((value) => value * by),
      ),
      spec,
    );
  return ((await along(step)).loss - (await along(-step)).loss) / (2 * step);
}

for (const [name, spec] of Object.entries(terms)) {
  test(`the gradient of ${name} equals finite differences`, async () => {
    const report = await run(sample, spec);
    const uniform = uniforms(11);
    for (const field of ["logProbs", "augLogProbs", "entropy", "augEntropy"] as const) {
      const slopes = gradient(report, field, size);
      for (let trial = 0; trial < 4; ++trial) {
        const direction = slopes.map(() => 2 * uniform() - 1);
        const expected = slopes.reduce((sum, slope, index) => sum + slope * (direction[index] ?? NaN), 0);
        expect(Math.abs((await finiteDifference(spec, field, direction)) - expected), field).toBeLessThan(1e-8);
      }
    }
  });
}

/** Specs by the value of one coefficient; 0 must equal `absent`. */
const coefficients: Record<string, { readonly of: (coef: number) => LossSpec; readonly absent: LossSpec }> = {
  "klRef.coef": { of: (coef) => ({ ...plainSpec, klRef: { coef, estimator: "k3" } }), absent: plainSpec },
  "klPrcp.coef": { of: (coef) => ({ ...plainSpec, klPrcp: { coef, estimator: "k3" } }), absent: plainSpec },
  augEntropyCoef: { of: (augEntropyCoef) => ({ ...plainSpec, augEntropyCoef }), absent: plainSpec },
  oriEntropyCoef: { of: (oriEntropyCoef) => ({ ...plainSpec, oriEntropyCoef }), absent: plainSpec },
  sftCoef: { of: (sftCoef) => ({ ...plainSpec, sftCoef }), absent: plainSpec },
};

async function gradients(spec: LossSpec): Promise<Float64Array> {
  const report = await run(sample, spec);
  return Float64Array.of(...gradient(report, "logProbs", size), ...gradient(report, "augLogProbs", size), report.loss);
}

for (const [name, { of, absent }] of Object.entries(coefficients)) {
  test(`${name}: 0 is the same as absent, other values change the gradient, linearly`, async () => {
    const [none, zero, one, three] = await Promise.all([absent, of(0), of(0.1), of(0.3)].map(gradients));
    if (!none || !zero || !one || !three) throw new Error("unreachable");
    expect(zero).toEqual(none);
    expect(largestDifference(one, none)).toBeGreaterThan(1e-5);
    const tripled = one.map((value, index) => (none[index] ?? NaN) + 3 * (value - (none[index] ?? NaN)));
    expect(largestDifference(three, tripled)).toBeLessThan(1e-12);
  });
}

test("the perception KL and its entropy reach the masked branch", async () => {
  const perception = await run(sample, { ...plainSpec, klPrcp: { coef: 0.1, estimator: "k3" } });
  expect(gradient(perception, "logProbs", size)).not.toEqual(gradient(await run(sample, plainSpec), "logProbs", size));
  expect(gradient(perception, "augLogProbs", size).some((value) => value !== 0)).toBe(true);
  const entropy = await run(sample, { ...plainSpec, augEntropyCoef: 0.1 });
  expect(
    largestDifference(gradient(entropy, "augLogProbs", size), new Float64Array(size).fill(-0.1 / size)),
  ).toBeLessThan(1e-15);
});

for (const [name, spec] of Object.entries(terms)) {
  test(`micro-batches of ${name} add up to the batch, however they are cut`, async () => {
    const whole = await run(sample, spec);
    for (const cuts of [
      [0, 5],
      [0, 1, 5],
      [0, 2, 3, 5],
      [0, 1, 2, 3, 4, 5],
    ]) {
      const parts = await Promise.all(
        cuts.slice(1).map((end, index) => run(slice(sample, cuts[index] ?? 0, end), spec)),
      );
      const sum = (value: (part: (typeof parts)[0]) => number) => parts.reduce((total, part) => total + value(part), 0);
      expect(sum((part) => part.loss)).toBeCloseTo(whole.loss, 12);
      for (const [metric, value] of Object.entries(whole.metrics)) {
        expect(
          sum((part) => part.metrics[metric] ?? NaN),
          metric,
        ).toBeCloseTo(value, 12);
      }
      const joined = parts.flatMap((part) => [...(part.gradients.logProbs ?? [])]);
      expect(largestDifference(Float64Array.from(joined), gradient(whole, "logProbs", size))).toBeLessThan(1e-15);
      expect(sum((part) => part.numTokens)).toBe(size);
      expect(parts.flatMap((part) => [...part.perceptionKl])).toEqual([...whole.perceptionKl]);
    }
  });
}

test("a batch of empty responses has no loss and no NaN", async () => {
  const { loss, metrics } = await run(slice(sample, 3, 4), fullSpec);
  expect(loss).toBe(0);
  Object.values(metrics).forEach((value) => {
    expect(value).toBeCloseTo(0, 15);
  });
});

test("weights of infinity on empty responses do no harm", async () => {
  const lossWeights = sample.weights.lossWeights.map((value, index) => (index === 3 ? Infinity : value));
  const report = await run({ ...sample, weights: { ...sample.weights, lossWeights } }, fullSpec);
  expect(report.loss).toBe((await run(sample, fullSpec)).loss);
});

test("float32 stays within rounding of float64", async () => {
  const big = objectiveCase([111, 37, 1, 7, 0, 111], 5);
  const [exact, single] = [await run(big, fullSpec), await run(big, fullSpec, "float32")];
  expect(Math.abs(single.loss - exact.loss)).toBeLessThan(1e-6);
  const worst = largestDifference(gradient(single, "logProbs", 267), gradient(exact, "logProbs", 267));
  expect(worst).toBeLessThan(1e-8);
});
