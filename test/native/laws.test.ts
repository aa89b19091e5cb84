// What a batch's packing must not change: log-probs, losses, metrics and gradients.
import { describe, expect, test } from "vitest";
import type { GroupInput, LogProbsHandle, ResponseWeights } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { kernelDevice } from "../support/kernel-device.ts";
import { fullSpec, plainSpec } from "../support/objective.ts";
import {
  batchOf,
  gradientDifference,
  inputsFor,
  keep,
  logProbs,
  maskedView,
  metricDifference,
  mixedGroups,
  nearLogProbs,
  picture,
  prompt,
  relativeDifference,
  response,
  score,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();
const precisions = [
  ["float32", 1e-4],
  ["float64", 1e-10],
] as const;

/** Without what looks at more than one token at a time. */
const separable = { entropy: "sampled", policyLoss: "ppo" } as const;

function concat(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}

/** Each response in a group of its own, in the same order. */
function unshared(groups: readonly GroupInput[]): GroupInput[] {
  return groups.flatMap((group) => group.responses.map((ids) => ({ prompt: group.prompt, responses: [ids] })));
}

describe.each(precisions)("%s", (dtype, tolerance) => {
  test("sharing the prompt changes no log-prob, loss, metric or gradient", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const alone = unshared(groups);
    const inputs = await nearLogProbs(policy, groups, { dtype });
    const shared = await update(policy, groups, fullSpec, inputs);
    const single = await update(policy, alone, fullSpec, inputs);
    expect(relativeDifference(await logProbs(policy, alone), await logProbs(policy, groups))).toBeLessThan(tolerance);
    expect(metricDifference(single.report, shared.report)).toBeLessThan(tolerance);
    expect(relativeDifference(single.report.perceptionKl, shared.report.perceptionKl)).toBeLessThan(tolerance);
    expect(gradientDifference(single.gradient, shared.gradient)).toBeLessThan(tolerance);
  });

  test.each([1, 20, 45])("micro-batches of %i rows change no loss, metric or gradient", async (maxTokens) => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const inputs = await nearLogProbs(policy, groups, { dtype });
    const whole = await update(policy, groups, fullSpec, inputs);
    const cut = await update(policy, groups, fullSpec, { ...inputs, maxTokens });
    expect(metricDifference(cut.report, whole.report)).toBeLessThan(tolerance);
    expect(cut.report.numTokens).toBe(whole.report.numTokens);
    expect(relativeDifference(cut.report.perceptionKl, whole.report.perceptionKl)).toBeLessThan(tolerance);
    expect(gradientDifference(cut.gradient, whole.gradient)).toBeLessThan(tolerance);
  });

  test.each([1, 30, 45, 70])("with a mask per response, %i rows a micro-batch change nothing", async (maxTokens) => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const { oldLogProbs, refLogProbs } = await nearLogProbs(policy, groups, { dtype });
    const inputs = { oldLogProbs, refLogProbs, recompute: { ...maskedView, perResponse: true } };
    const whole = await update(policy, groups, fullSpec, inputs);
    const cut = await update(policy, groups, fullSpec, { ...inputs, maxTokens });
    expect(metricDifference(cut.report, whole.report)).toBeLessThan(tolerance);
    expect(relativeDifference(cut.report.perceptionKl, whole.report.perceptionKl)).toBeLessThan(tolerance);
    expect(gradientDifference(cut.gradient, whole.gradient)).toBeLessThan(tolerance);
    const scores = await logProbs(policy, groups, { view: inputs.recompute });
    const cutScores = await logProbs(policy, groups, { view: inputs.recompute, maxTokens });
    expect(relativeDifference(cutScores, scores)).toBeLessThan(tolerance);
  });

  // 22 tokens in chunks of 16 at most: two of 11, whose border cuts a response.
  test("chunks of the head's rows change no loss, metric or gradient of a loss that is a sum over tokens", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const inputs = await nearLogProbs(policy, groups, { dtype });
    const spec = { ...fullSpec, ...separable };
    const whole = await update(policy, groups, spec, inputs);
    const cut = await update(policy, groups, spec, { ...inputs, chunkBytes: 1 });
    expect(metricDifference(cut.report, whole.report)).toBeLessThan(tolerance);
    expect(cut.report.numTokens).toBe(whole.report.numTokens);
    expect(relativeDifference(cut.report.perceptionKl, whole.report.perceptionKl)).toBeLessThan(tolerance);
    expect(gradientDifference(cut.gradient, whole.gradient)).toBeLessThan(tolerance);
  });

  test("the gradient formed beside the logits is that of log-probs first", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const inputs = await nearLogProbs(policy, groups, { dtype });
    // Entropies over the vocabulary with no weight: the same loss, but with whole log-probs.
    const beside = await update(
      policy,
      groups,
      { ...fullSpec, ...separable, oriEntropyCoef: 0, augEntropyCoef: 0 },
      inputs,
    );
    const first = { ...fullSpec, ...separable, entropy: "full", oriEntropyCoef: 0, augEntropyCoef: 0 } as const;
    const expected = await update(policy, groups, first, inputs);
    expect(beside.report.metrics["total_loss"]).toBeCloseTo(expected.report.metrics["total_loss"] ?? NaN, 5);
    expect(relativeDifference(beside.report.perceptionKl, expected.report.perceptionKl)).toBeLessThan(tolerance);
    expect(gradientDifference(beside.gradient, expected.gradient)).toBeLessThan(tolerance);
  });

  test.each([4096, 45])("both views in one pass of %i rows are the views alone", async (maxTokens) => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const options = { temperature: 0.8, entropy: true, maxTokens, view: maskedView, firstGroup: 1 };
    const { plain, masked } = await native.computePlainAndMasked(policy, batchOf(groups), options);
    const values = async (scores: LogProbsHandle) => await native.logProbValues(keep(scores));
    const { view, firstGroup, ...alone } = options;
    expect(relativeDifference(await values(masked), await logProbs(policy, groups, { ...alone, view }))).toBeLessThan(
      tolerance,
    );
    // Groups before the first one are nan: 6 tokens.
    const [got, expected] = [await values(plain), await logProbs(policy, groups, alone)];
    expect([...got.subarray(0, 6)].every(Number.isNaN)).toBe(true);
    expect(relativeDifference(got.slice(6), expected.slice(6))).toBeLessThan(tolerance);
    const part = await logProbs(policy, groups, { ...alone, firstGroup });
    expect([...part.subarray(0, 6)].every(Number.isNaN)).toBe(true);
    expect(relativeDifference(part.slice(6), expected.slice(6))).toBeLessThan(tolerance);
  });

  test("two optimizer batches add up to the whole batch", async () => {
    const policy = await tinyPolicy({ dtype });
    const groups = mixedGroups();
    const inputs = await nearLogProbs(policy, groups, { dtype });
    const whole = await update(policy, groups, fullSpec, inputs);
    const weights = inputsFor(groups).weights;
    const cut = (from: number, to: number): ResponseWeights => ({
      lossWeights: weights.lossWeights.slice(from, to),
      tokenWeights: weights.tokenWeights.slice(from, to),
      ...(weights.advantages ? { advantages: weights.advantages.slice(from, to) } : {}),
      ...(weights.sftWeights ? { sftWeights: weights.sftWeights.slice(from, to) } : {}),
    });
    const first = await update(policy, groups, fullSpec, { ...inputs, lastGroup: 1, weights: cut(0, 3) });
    const rest = await update(policy, groups, fullSpec, { ...inputs, firstGroup: 1, weights: cut(3, 7) });
    const sum = new Map(
      [...first.gradient].map(([name, values]) => [
        name,
        values.map((v, i) => v + (rest.gradient.get(name)?.[i] ?? NaN)),
      ]),
    );
    expect(gradientDifference(sum, whole.gradient)).toBeLessThan(tolerance);
  });

  test("activation checkpointing changes nothing", async () => {
    const groups = mixedGroups();
    const plain = await tinyPolicy({ dtype });
    const inputs = await nearLogProbs(plain, groups, { dtype });
    const expected = await update(plain, groups, fullSpec, inputs);
    const again = await update(await tinyPolicy({ dtype, checkpointActivations: true }), groups, fullSpec, inputs);
    expect(metricDifference(again.report, expected.report)).toBeLessThan(tolerance / 100);
    expect(gradientDifference(again.gradient, expected.gradient)).toBeLessThan(tolerance / 100);
  });

  test("prompts scored together have the log-probs and entropies that they have alone", async () => {
    const policy = await tinyPolicy({ dtype, trained: false });
    const groups = mixedGroups();
    const alone = await Promise.all(groups.map((group) => logProbs(policy, [group], { temperature: 0.8 })));
    expect(alone.map(({ length }) => length)).toEqual([6, 10, 6]);
    const together = await logProbs(policy, groups, { temperature: 0.8 });
    expect(relativeDifference(together, concat(alone))).toBeLessThan(tolerance);
    const cut = await logProbs(policy, groups, { temperature: 0.8, maxTokens: 1 });
    expect(relativeDifference(cut, together)).toBeLessThan(tolerance);
  });
});

test.each([
  ["the gradient formed beside the logits", plainSpec, "cpu"],
  ["log-probs first", { ...plainSpec, policyLoss: "gspo" }, "cpu"],
  ["on a device", plainSpec, kernelDevice],
] as const)("the distance of the rollout's log-probs is that of the batch's tokens, %s", async (_, spec, device) => {
  const policy = await tinyPolicy({ device });
  const groups = mixedGroups();
  const batch = batchOf(groups);
  const own = await native.logProbValues(await score(policy, batch));
  // Off by 0.01, 0.02, ... up and down; the largest of the optimizer batch, groups 1 and 2, is the last token's.
  const off = own.map((_, index) => 0.01 * (index + 1) * (index % 2 === 0 ? 1 : -1));
  let next = 0;
  const rows = groups.flatMap(({ responses }) =>
    responses.map(({ length }) => Float32Array.from({ length }, () => (own[next] ?? NaN) + (off[next++] ?? NaN))),
  );
  const rolloutLogProbs = keep(await native.createLogProbs(policy, batch, rows));
  const part = groups.slice(1);
  const inputs = { ...inputsFor(part), firstGroup: 1, lastGroup: 3, rolloutLogProbs };
  for (const maxTokens of [4096, 1]) {
    const { rolloutDifference } = await native.forwardBackward(policy, batch, spec, { ...inputs, maxTokens });
    const distances = off.slice(6).map(Math.abs);
    expect(rolloutDifference?.max).toBeCloseTo(Math.max(...distances), 5);
    expect(rolloutDifference?.mean).toBeCloseTo(distances.reduce((a, b) => a + b) / distances.length, 5);
  }
  const { rolloutDifference } = await native.forwardBackward(policy, batch, spec, inputsFor(groups));
  expect(rolloutDifference).toBeUndefined();
});

test("an empty response adds no tokens and changes no other", async () => {
  const policy = await tinyPolicy({ dtype: "float64" });
  const [first] = mixedGroups();
  if (!first) throw new Error("no groups");
  const without = { ...first, responses: first.responses.filter(({ length }) => length > 0) };
  const difference = relativeDifference(await logProbs(policy, [first]), await logProbs(policy, [without]));
  expect(difference).toBeLessThan(1e-12);
});

test("a response of one token needs no row of its own: its log-prob is the first token's of a longer one", async () => {
  const policy = await tinyPolicy({ dtype: "float64" });
  const ids = response(5, 9);
  const given = prompt("p", [4, picture(2), 8]);
  const [one] = await logProbs(policy, [{ prompt: given, responses: [ids.slice(0, 1)] }]);
  const [first] = await logProbs(policy, [{ prompt: given, responses: [ids] }]);
  expect(one).toBeCloseTo(first ?? NaN, 12);
});

test("a batch of nothing but empty responses has no log-probs, no metrics and no gradient", async () => {
  const policy = await tinyPolicy();
  const empty = [{ prompt: prompt("p", [1, 2]), responses: [response(0, 1), response(0, 2)] }];
  expect(await logProbs(policy, empty)).toEqual(new Float64Array());
  const augLogProbs = await score(policy, batchOf(empty));
  const { report, gradient } = await update(
    policy,
    empty,
    { ...fullSpec, klRef: { coef: 0, estimator: "k3" } },
    { augLogProbs },
  );
  expect(report.numTokens).toBe(0);
  expect([...report.perceptionKl]).toEqual([0, 0]);
  for (const values of gradient.values()) expect(values.every((value) => value === 0)).toBe(true);
});

test("every response has its perception KL, in order, wherever micro-batches are cut", async () => {
  const policy = await tinyPolicy();
  const empty = { prompt: prompt("none", [picture(4), 5]), responses: [response(0, 1), response(0, 2)] };
  const groups = [...mixedGroups().slice(0, 1), empty, ...mixedGroups().slice(2)];
  const inputs = await nearLogProbs(policy, groups, {});
  const { report } = await update(policy, groups, fullSpec, { ...inputs, maxTokens: 1 });
  const log = await native.klPerResponse(await score(policy, batchOf(groups)), inputs.augLogProbs, "k3");
  expect(report.perceptionKl).toHaveLength(7);
  expect(relativeDifference(report.perceptionKl, log.means)).toBeLessThan(1e-4);
});

test("a group larger than a micro-batch is cut between its responses", async () => {
  // A piece is 3 prompt rows and a response of 5. Each reports the groups that are done: two pieces none, the third one.
  const policy = await tinyPolicy();
  const groups = [
    { prompt: prompt("a", [1, 2, 3]), responses: [response(5, 1), response(5, 2), response(5, 3)] },
    { prompt: prompt("b", [1, 2, 3]), responses: [response(5, 4)] },
  ];
  const seen: number[] = [];
  const progress = (done: number) => {
    seen.push(done);
  };
  const inputs = inputsFor(groups, { maxTokens: 8 });
  await native.forwardBackward(policy, batchOf(groups), plainSpec, inputs, { progress });
  // With a mask per response, a group takes 3 rows and each of its responses 5 plain and 3 + 5 masked ones: two of the
  // first group fit, then its third with the other group.
  const recompute = { ...maskedView, perResponse: true };
  await native.forwardBackward(
    policy,
    batchOf(groups),
    fullSpec,
    { ...inputs, ...(await nearLogProbs(policy, groups, {})), recompute, maxTokens: 32 },
    { progress },
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toEqual([0, 0, 1, 2, 0, 2]);
});
