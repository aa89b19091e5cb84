// The gradient of the whole objective through the whole policy.
import { describe, expect, test } from "vitest";
import type { GroupInput, LossSpec, PolicyHandle, UpdateInputs } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { fullSpec, plainSpec, testing } from "../support/objective.ts";
import {
  batchOf,
  gradientDifference,
  inputsFor,
  keep,
  maskedView,
  metricDifference,
  mixedGroups,
  nearLogProbs,
  nearPolicy,
  score,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();
const dtype = "float64";

interface Case {
  readonly groups: readonly GroupInput[];
  readonly spec: LossSpec;
  readonly inputs: Partial<UpdateInputs>;
}

/** The total loss with element `index` of a tensor at `value`. */
async function lossAt(
  policy: PolicyHandle,
  { groups, spec, inputs }: Case,
  place: readonly [string, number],
  value: number,
) {
  const [name, index] = place;
  const values = await testing.policyValues(policy, name, "weight");
  const moved = values.slice();
  moved[index] = value;
  await testing.setPolicyValues(policy, name, "weight", moved);
  const report = await native.forwardBackward(policy, batchOf(groups), spec, inputsFor(groups, inputs));
  await testing.setPolicyValues(policy, name, "weight", values);
  return report.metrics.total_loss ?? NaN;
}

/** Central differences at the largest and a middling gradient of some tensors, vision tower to head. */
async function expectFiniteDifferences(policy: PolicyHandle, given: Case): Promise<void> {
  const { gradient } = await update(policy, given.groups, given.spec, given.inputs);
  const names = [...gradient.keys()].filter((_, index) => index % 4 === 0);
  expect(names.some((name) => name.startsWith("visual.blocks"))).toBe(true);
  for (const name of names) {
    const values = gradient.get(name) ?? new Float64Array();
    const order = [...values.keys()].sort((a, b) => Math.abs(values[b] ?? 0) - Math.abs(values[a] ?? 0));
    for (const index of [order[0] ?? 0, order[Math.floor(order.length / 3)] ?? 0]) {
      const weight = (await testing.policyValues(policy, name, "weight"))[index] ?? NaN;
      const h = 1e-5;
      const above = await lossAt(policy, given, [name, index], weight + h);
      const below = await lossAt(policy, given, [name, index], weight - h);
      const expected = values[index] ?? NaN;
      // Rounding of losses near 1 gives 1e-16 / 1e-5; h^2 times a third derivative is of that size.
      expect(Math.abs((above - below) / (2 * h) - expected), `${name}[${index}] ${expected}`).toBeLessThan(
        1e-5 * Math.abs(expected) + 1e-9,
      );
    }
  }
}

describe("finite differences of the total loss are its gradient", () => {
  test("every term, constant masked branch", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const inputs = await nearLogProbs(policy, groups, { dtype });
    await expectFiniteDifferences(policy, { groups, spec: fullSpec, inputs });
  });

  test("every term with full entropies, masked branch with gradient, temperature 0.8", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const { oldLogProbs, refLogProbs } = await nearLogProbs(policy, groups, { dtype });
    const inputs = { oldLogProbs, refLogProbs, recompute: maskedView, temperature: 0.8 };
    await expectFiniteDifferences(policy, { groups, spec: { ...fullSpec, entropy: "full" }, inputs });
  });

  test.each([false, true])("both KLs over the vocabulary, clipped, a mask per response: %s", async (perResponse) => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const { oldLogProbs } = await nearLogProbs(policy, groups, { dtype });
    const reference = await nearPolicy({ dtype }, 0.3, 2);
    const recompute = { ...maskedView, perResponse };
    const spec: LossSpec = {
      ...fullSpec,
      klRef: { coef: 0.4, estimator: "full" },
      klPrcp: { coef: 0.3, estimator: "full", clip: 4 },
    };
    const inputs = { oldLogProbs, reference, recompute, temperature: 0.8 };
    await expectFiniteDifferences(policy, { groups, spec, inputs });
  });

  test("GSPO, a mask per response with gradient, sampled entropies", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const { oldLogProbs, refLogProbs } = await nearLogProbs(policy, groups, { dtype });
    const inputs = { oldLogProbs, refLogProbs, recompute: { ...maskedView, perResponse: true } };
    const spec: LossSpec = { ...fullSpec, policyLoss: "gspo", clipLow: 0.5, clipHigh: 0.5 };
    await expectFiniteDifferences(policy, { groups, spec, inputs });
  });
});

test("without old log-probs they are the new ones without gradient: the ratio is exactly 1", async () => {
  const policy = await tinyPolicy({ dtype });
  const groups = mixedGroups();
  const absent = await update(policy, groups, plainSpec);
  const given = await update(policy, groups, plainSpec, { oldLogProbs: await score(policy, batchOf(groups)) });
  expect(absent.report.metrics).toMatchObject({ ppo_kl: 0, pg_clipfrac_higher: 0, pg_clipfrac_lower: 0 });
  expect(metricDifference(absent.report, given.report)).toBeLessThan(1e-12);
  expect(gradientDifference(absent.gradient, given.gradient)).toBeLessThan(1e-10);
});

describe("the entropy of the masked branch", () => {
  const withEntropy = (augEntropyCoef: number): LossSpec => ({
    ...plainSpec,
    klPrcp: { coef: 0.1, estimator: "k3" },
    augEntropyCoef,
  });

  test("has no gradient while that branch is constant: its coefficient changes the loss alone", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const augLogProbs = await score(policy, batchOf(groups), { view: maskedView });
    const none = await update(policy, groups, withEntropy(0), { augLogProbs });
    const some = await update(policy, groups, withEntropy(0.5), { augLogProbs });
    expect(some.gradient).toEqual(none.gradient);
    const { total_loss: loss = NaN, aug_entropy_loss: entropy = NaN } = some.report.metrics;
    expect(loss - (none.report.metrics.total_loss ?? NaN)).toBeCloseTo(0.5 * entropy, 12);
  });

  test("has one when the branch is run again", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const none = await update(policy, groups, withEntropy(0), { recompute: maskedView });
    const some = await update(policy, groups, withEntropy(0.5), { recompute: maskedView });
    expect(gradientDifference(some.gradient, none.gradient)).toBeGreaterThan(0.01);
  });

  test("run again gives the loss and metrics of the constant branch at the same weights", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const augLogProbs = await score(policy, batchOf(groups), { view: maskedView });
    const constant = await update(policy, groups, withEntropy(0.5), { augLogProbs });
    const again = await update(policy, groups, withEntropy(0.5), { recompute: maskedView });
    expect(metricDifference(again.report, constant.report)).toBeLessThan(1e-12);
    expect(gradientDifference(again.gradient, constant.gradient)).toBeGreaterThan(0.01);
  });
});

test("a frozen vision tower has no gradient, does not move, and leaves the language model's gradient alone", async () => {
  const groups = mixedGroups();
  const frozen = await tinyPolicy({ dtype, freezeVisionTower: true });
  const inputs = await nearLogProbs(frozen, groups, { dtype });
  const whole = await update(await tinyPolicy({ dtype }), groups, fullSpec, inputs);
  const part = await update(frozen, groups, fullSpec, inputs);
  expect([...part.gradient.keys()].filter((name) => name.startsWith("visual."))).toEqual([]);
  const language = new Map([...whole.gradient].filter(([name]) => !name.startsWith("visual.")));
  expect(language.size).toBeLessThan(whole.gradient.size);
  expect(gradientDifference(part.gradient, language)).toBeLessThan(1e-12);

  const weights = async () => {
    const out = new Map<string, Float64Array>();
    for (const { name } of native.policyTensors(frozen))
      out.set(name, await testing.policyValues(frozen, name, "weight"));
    return out;
  };
  const before = await weights();
  const spec = { strategy: "adamw", beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 } as const;
  const optimizer = keep(await native.createOptimizer(frozen, spec));
  await native.optimizerStep(optimizer, frozen, 0.01, 1);
  for (const [name, values] of await weights()) {
    if (name.startsWith("visual.")) expect(values, name).toEqual(before.get(name));
    else expect(values, name).not.toEqual(before.get(name));
  }
});

test("an update moves the loss down", async () => {
  const policy = await tinyPolicy();
  const groups = mixedGroups();
  const inputs = await nearLogProbs(policy, groups, {});
  const spec = { strategy: "adamw", beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0 } as const;
  const optimizer = keep(await native.createOptimizer(policy, spec));
  const first = await update(policy, groups, fullSpec, inputs);
  await native.optimizerStep(optimizer, policy, 1e-4, 1);
  const second = await update(policy, groups, fullSpec, inputs);
  expect(second.report.metrics.total_loss).toBeLessThan(first.report.metrics.total_loss ?? NaN);
});
