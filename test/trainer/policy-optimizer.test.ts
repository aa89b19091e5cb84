import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NonFiniteError } from "../../lib/errors.ts";
import { loadNative } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { PolicyOptimizer } from "../../lib/trainer/policy-optimizer.ts";
import { makeWorld, removeWorld, type World } from "../e2e/world.ts";
import { runConfig } from "../support/config.ts";
import { largestDifference, testing } from "../support/objective.ts";
import { keep } from "../support/tiny-policy.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

const bias = "model.layers.0.self_attn.q_proj.bias";

async function opened(optim: Record<string, unknown> = {}) {
  const policy = await Policy.open(world.model, { trained: true });
  keep(policy.handle);
  const optimizer = await PolicyOptimizer.create(runConfig({ optim }).optim, policy);
  keep(optimizer.handle);
  /** Digest of all weights. */
  const weights = async () => {
    const hash = createHash("sha256");
    for (const { name } of loadNative().policyTensors(policy.handle)) {
      hash.update(await testing.policyValues(policy.handle, name, "weight"));
    }
    return hash.digest("hex");
  };
  /** One optimizer step with a gradient of `value` in one bias and `first` in its first element. */
  const step = async (value: number, first = 1) => {
    const values = await testing.policyValues(policy.handle, bias, "gradient");
    await testing.setPolicyValues(policy.handle, bias, "gradient", values.fill(first).fill(value, 1));
    return await optimizer.step(1e-3, 7);
  };
  return { policy, optimizer, weights, step };
}

test.for([NaN, Infinity, -Infinity])("a gradient of %d is skipped and counted, and moves nothing", async (value) => {
  const { policy, optimizer, weights, step } = await opened();
  const before = await weights();
  expect(await step(value)).toEqual({ "actor/skipped_updates": 1 });
  expect(await weights()).toBe(before);
  expect([optimizer.skippedInRow, loadNative().optimizerNumSteps(optimizer.handle)]).toEqual([1, 0]);
  const left = await testing.policyValues(policy.handle, bias, "gradient");
  expect(left.every((element) => element === 0)).toBe(true);
});

test("a skipped step leaves no trace in the moments: the next one is as if it had not been", async () => {
  const [spoilt, plain] = [await opened(), await opened()];
  const before = await plain.weights();
  await spoilt.step(NaN);
  expect(await spoilt.step(0.5)).toEqual(await plain.step(0.5));
  expect(await spoilt.weights()).toBe(await plain.weights());
  expect(await plain.weights()).not.toBe(before);
});

test("a good step moves the weights, says the norm before clipping and starts the count again", async () => {
  const { policy, optimizer, step } = await opened({ maxSkippedInRow: 2, weightDecay: 0 });
  const before = await testing.policyValues(policy.handle, bias, "weight");
  await step(NaN);
  await step(NaN);
  expect(optimizer.skippedInRow).toBe(2);
  // A bias of 128: sqrt(1 + 127 x 0.25) = 5.7228...
  const metrics = await step(0.5);
  expect(metrics["actor/skipped_updates"]).toBe(0);
  expect(metrics["actor/grad_norm"]).toBeCloseTo(Math.sqrt(1 + 127 / 4), 5);
  expect(optimizer.skippedInRow).toBe(0);
  const after = await testing.policyValues(policy.handle, bias, "weight");
  // The first step of Adam is the rate, against the gradient.
  expect(after.every((value, index) => Math.abs(value - (before[index] ?? NaN) + 1e-3) < 1e-6)).toBe(true);
  await step(NaN);
  await step(NaN);
  await expect(step(NaN)).rejects.toThrow(NonFiniteError);
});

test("optim.maxGradNorm is the norm that a larger gradient comes to, a smaller one keeps its own", async () => {
  const ending = async (maxGradNorm: number, [large, small]: readonly [number, number]) => {
    const { policy, step } = await opened({ maxGradNorm, weightDecay: 0 });
    await step(large, large);
    await step(small, small);
    return await testing.policyValues(policy.handle, bias, "weight");
  };
  const root = Math.sqrt(128); // of the bias's elements: a norm of 0.5 is 0.5 / root in each
  const clipped = await ending(0.5, [7, 0.1 / root]);
  expect(largestDifference(clipped, await ending(100, [0.5 / root, 0.1 / root]))).toBeLessThan(1e-7);
  expect(largestDifference(clipped, await ending(1, [7, 0.1 / root]))).toBeGreaterThan(1e-5);
});

test("more than optim.maxSkippedInRow in a row end training, naming metric, step and limit", async () => {
  const { step } = await opened({ maxSkippedInRow: 1 });
  await step(NaN);
  const error = await step(NaN).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NonFiniteError);
  const rule = "the gradient was not finite 2 optimizer steps in a row (optim.maxSkippedInRow 1)";
  expect((error as Error).message).toBe(`step 7: actor/grad_norm: ${rule}`);
});

test("optim.maxSkippedInRow of 0 lets none pass, and forward passes count like gradients", async () => {
  const { optimizer, step } = await opened({ maxSkippedInRow: 0 });
  await expect(step(NaN)).rejects.toThrow(NonFiniteError);
  const patient = (await opened({ maxSkippedInRow: 2 })).optimizer;
  expect(patient.skip(1)).toEqual({ "actor/skipped_updates": 1 });
  patient.skip(2);
  expect(() => patient.skip(3)).toThrow(NonFiniteError);
  expect(optimizer.skippedInRow).toBe(1);
});
