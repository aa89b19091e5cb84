// KL terms over the whole vocabulary: their values from the log-probs of every token, scored one by one.
import { describe, expect, test } from "vitest";
import type { GroupInput, LossSpec, MaskedView, PolicyHandle, UpdateInputs } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { kernelDevice } from "../support/kernel-device.ts";
import { plainSpec } from "../support/objective.ts";
import {
  batchOf,
  gradientDifference,
  gradientOf,
  inputsFor,
  logProbs,
  maskedView,
  metricDifference,
  mixedGroups,
  nearPolicy,
  setWeight,
  tinyConfig,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();
const full = { coef: 0.3, estimator: "full" } as const;
const temperature = 0.7;

/** [tokens][V]: every token of the vocabulary in the place of each response token. */
async function distributions(policy: PolicyHandle, groups: readonly GroupInput[], view?: MaskedView) {
  const all: number[][] = [];
  for (const { prompt, responses } of groups) {
    for (const ids of responses) {
      for (let at = 0; at < ids.length; at += 1) {
        const others = Array.from({ length: tinyConfig.text.vocabSize }, (_, id) => {
          const other = ids.slice(0, at + 1);
          other[at] = id;
          return other;
        });
        const values = await logProbs(policy, [{ prompt, responses: others }], {
          temperature,
          ...(view ? { view } : {}),
        });
        all.push(others.map((_, id) => values[id * (at + 1) + at] ?? NaN));
      }
    }
  }
  return all;
}

/** Mean over tokens of sum p (ln p - ln q). */
function meanKl(p: readonly number[][], q: readonly number[][]): number {
  const kls = p.map((row, token) =>
    row.reduce((sum, value, id) => sum + Math.exp(value) * (value - (q[token]?.[id] ?? NaN)), 0),
  );
  return kls.reduce((sum, value) => sum + value, 0) / kls.length;
}

describe("a loss with both KLs over the vocabulary", () => {
  test("has the KL of the policy to the reference and to the masked branch, with a mask a batch", async () => {
    const policy = await tinyPolicy({ dtype: "float64" });
    const reference = await nearPolicy({ dtype: "float64" }, 0.3, 2);
    const groups = mixedGroups();
    const spec: LossSpec = { ...plainSpec, klRef: full, klPrcp: full };
    const { report } = await update(policy, groups, spec, { reference, recompute: maskedView, temperature });
    const plain = await distributions(policy, groups);
    for (const row of plain) expect(row.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 10);
    const [ref, prcp] = [
      meanKl(plain, await distributions(reference, groups)),
      meanKl(plain, await distributions(policy, groups, maskedView)),
    ];
    expect(Math.min(ref, prcp)).toBeGreaterThan(0.01);
    expect(report.metrics.kl_loss).toBeCloseTo(ref, 10);
    expect(report.metrics.kl_prcp_loss).toBeCloseTo(-prcp, 10);
    // 22 tokens in 7 responses; the means over them add up to the same.
    const lengths = groups.flatMap(({ responses }) => responses.map(({ length }) => length));
    const total = report.perceptionKl.reduce((sum, value, index) => sum + value * (lengths[index] ?? NaN), 0);
    expect(total / 22).toBeCloseTo(prcp, 10);
  });

  test.each([1, 45])("does not depend on how micro-batches are cut: %i rows", async (maxTokens) => {
    const policy = await tinyPolicy();
    const reference = await nearPolicy({}, 0.3, 2);
    const spec: LossSpec = { ...plainSpec, klRef: full, klPrcp: { ...full, tokenTopP: 0.5, clip: 5 } };
    for (const perResponse of [false, true]) {
      const inputs: Partial<UpdateInputs> = { reference, recompute: { ...maskedView, perResponse } };
      const whole = await update(policy, mixedGroups(), spec, inputs);
      const cut = await update(policy, mixedGroups(), spec, { ...inputs, maxTokens });
      expect(metricDifference(cut.report, whole.report)).toBeLessThan(1e-5);
      expect(gradientDifference(cut.gradient, whole.gradient)).toBeLessThan(1e-4);
    }
  });
});

test("at the reference the KL is 0 and so is its gradient, and the reference gets none", async () => {
  const policy = await tinyPolicy({ dtype: "float64" });
  const reference = await tinyPolicy({ dtype: "float64" });
  const groups = mixedGroups();
  const without = await update(policy, groups, plainSpec);
  const { report, gradient } = await update(policy, groups, { ...plainSpec, klRef: full }, { reference });
  expect(report.metrics.kl_loss).toBeCloseTo(0, 12);
  expect(gradientDifference(gradient, without.gradient)).toBeLessThan(1e-10);
  const own = await gradientOf(reference);
  expect([...own.values()].every((values) => values.every((value) => value === 0))).toBe(true);
});

test("without both distributions at hand it is E_VALUE, and logits that are not finite name operation and row", async () => {
  const policy = await tinyPolicy();
  const groups = mixedGroups();
  const refused = (spec: Partial<LossSpec>, inputs: Partial<UpdateInputs> = {}) =>
    expect(native.forwardBackward(policy, batchOf(groups), { ...plainSpec, ...spec }, inputsFor(groups, inputs)))
      .rejects;
  await refused({ klRef: full }).toMatchObject({
    code: "E_VALUE",
    message: "[forward_backward] klRef.estimator: full needs the reference itself",
  });
  await refused({ klPrcp: full }).toMatchObject({ code: "E_VALUE" });
  const reference = await tinyPolicy({ trained: false, device: kernelDevice });
  await refused({ klRef: full }, { reference }).toThrow("expected the policy's device and vocabulary");
  const bad = await tinyPolicy({ trained: false });
  await setWeight(bad, "model.norm.weight", () => NaN);
  await refused({ klRef: full }, { reference: bad }).toMatchObject({
    code: "E_NONFINITE",
    message: "[kl_divergence] logits of row 0 are not finite",
  });
});
