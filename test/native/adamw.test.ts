import { expect, test } from "vitest";
import type { AdamwSpec, OptimizerHandle, PolicyHandle } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { testing } from "../support/objective.ts";
import { gradientOf, keep, tinyPolicy } from "../support/tiny-policy.ts";

const native = loadNative();
const spec: AdamwSpec = { strategy: "adamw", beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 };
/** Tensors that get a gradient; all others only decay. */
const names = ["model.norm.weight", "visual.blocks.0.attn.qkv.weight", "model.layers.1.self_attn.k_proj.bias"];

/** The gradient of tensor `tensor`, element `index`, at a step. */
const wave = (step: number, tensor: number) => (index: number) => Math.sin(step * (tensor + 1) + index) / (tensor + 1);

async function setGradient(policy: PolicyHandle, value: (tensor: number) => (index: number) => number): Promise<void> {
  for (const [tensor, name] of names.entries()) {
    const zeros = await testing.policyValues(policy, name, "gradient");
    await testing.setPolicyValues(
      policy,
      name,
      "gradient",
      zeros.map((_, index) => value(tensor)(index)),
    );
  }
}

async function weightsOf(policy: PolicyHandle): Promise<Float64Array[]> {
  return await Promise.all(names.map((name) => testing.policyValues(policy, name, "weight")));
}

/** AdamW as torch.optim.AdamW with clip_grad_norm_ before it, in float64. */
class TorchAdamw {
  readonly weights: Float64Array[];
  readonly #first: Float64Array[];
  readonly #second: Float64Array[];
  readonly #spec: AdamwSpec;
  #step = 0;

  constructor(weights: readonly Float64Array[], spec: AdamwSpec) {
    this.weights = weights.map((values) => values.slice());
    this.#first = weights.map(({ length }) => new Float64Array(length));
    this.#second = weights.map(({ length }) => new Float64Array(length));
    this.#spec = spec;
  }

  /** @returns the norm before clipping */
  step(gradient: (tensor: number) => (index: number) => number, lr: number, maxNorm: number): number {
    const { beta1, beta2, eps, weightDecay } = this.#spec;
    this.#step += 1;
    const gradients = this.weights.map((values, tensor) => values.map((_, index) => gradient(tensor)(index)));
    const norm = Math.hypot(...gradients.flatMap((values) => [...values]));
    const clip = Math.min(1, maxNorm / (norm + 1e-6));
    for (const [tensor, values] of this.weights.entries()) {
      const [m = values, v = values, g = values] = [this.#first[tensor], this.#second[tensor], gradients[tensor]];
      for (const i of values.keys()) {
        const gi = (g[i] ?? NaN) * clip;
        const mi = beta1 * (m[i] ?? NaN) + (1 - beta1) * gi;
        const vi = beta2 * (v[i] ?? NaN) + (1 - beta2) * gi * gi;
        [m[i], v[i]] = [mi, vi];
        const denominator = Math.sqrt(vi) / Math.sqrt(1 - beta2 ** this.#step) + eps;
        const decayed = (values[i] ?? NaN) * (1 - lr * weightDecay);
        values[i] = decayed - ((lr / (1 - beta1 ** this.#step)) * mi) / denominator;
      }
    }
    return norm;
  }
}

function largestError(actual: readonly Float64Array[], expected: readonly Float64Array[]): number {
  const errors = expected.flatMap((values, t) =>
    [...values].map((value, i) => Math.abs(value - (actual[t]?.[i] ?? NaN))),
  );
  return Math.max(...errors);
}

async function optimizerOf(policy: PolicyHandle, over: Partial<AdamwSpec> = {}): Promise<OptimizerHandle> {
  return keep(await native.createOptimizer(policy, { ...spec, ...over }));
}

// The gradients' norm is about 22: clipped at 3, whole at 100.
test.each([
  ["float64", 3, 1e-14],
  ["float64", 100, 1e-14],
  ["float32", 3, 1e-6],
] as const)("five %s steps with the norm clipped at %d are torch's", async (dtype, maxNorm, tolerance) => {
  const policy = await tinyPolicy({ dtype });
  const optimizer = await optimizerOf(policy);
  const expected = new TorchAdamw(await weightsOf(policy), spec);
  for (let step = 1; step <= 5; step += 1) {
    const lr = 0.01 / step;
    await setGradient(policy, (tensor) => wave(step, tensor));
    const report = await native.optimizerStep(optimizer, policy, lr, maxNorm);
    const norm = expected.step((tensor) => wave(step, tensor), lr, maxNorm);
    expect(report.skipped).toBe(false);
    expect(Math.abs(report.gradNorm / norm - 1)).toBeLessThan(1e-6);
  }
  expect(largestError(await weightsOf(policy), expected.weights)).toBeLessThan(tolerance);
  expect(native.optimizerNumSteps(optimizer)).toBe(5);
  for (const values of (await gradientOf(policy)).values()) expect(values.every((value) => value === 0)).toBe(true);
});

test("a tensor without gradient only decays", async () => {
  const policy = await tinyPolicy({ dtype: "float64" });
  const optimizer = await optimizerOf(policy);
  const name = "model.layers.0.mlp.down_proj.weight";
  const before = await testing.policyValues(policy, name, "weight");
  await setGradient(policy, (tensor) => wave(1, tensor));
  await native.optimizerStep(optimizer, policy, 0.01, 1);
  const after = await testing.policyValues(policy, name, "weight");
  expect(largestError([after], [before.map((value) => value * (1 - 0.01 * 0.1))])).toBeLessThan(1e-16);
});

/** Steps of 1e-5 down: a bfloat16 weight near 0.2 has neighbours 0.001 away, so none moves by itself. */
async function creep(over: Partial<AdamwSpec>, numSteps: number) {
  const policy = await tinyPolicy({ dtype: "bfloat16" });
  const optimizer = await optimizerOf(policy, over);
  const start = await weightsOf(policy);
  const expected = new TorchAdamw(start, { ...spec, ...over });
  const gradient = (tensor: number) => (index: number) => 1 + Math.sin(tensor + index) / 2;
  for (let step = 1; step <= numSteps; step += 1) {
    await setGradient(policy, gradient);
    await native.optimizerStep(optimizer, policy, 1e-5, 1e9);
    expected.step(gradient, 1e-5, 1e9);
  }
  // Of the matrix, whose weights are small; norm weights of 1 have neighbours 0.008 away.
  const matrix = (tensors: readonly Float64Array[]) => [tensors[1] ?? new Float64Array()];
  return {
    moved: largestError(matrix(start), matrix(expected.weights)),
    error: largestError(matrix(await weightsOf(policy)), matrix(expected.weights)),
    largest: Math.max(...(start[1] ?? []).map(Math.abs)),
  };
}

test("bfloat16 weights with a master copy are the rounded float32 ones", async () => {
  const { moved, error, largest } = await creep({}, 200);
  expect(moved).toBeGreaterThan(1.9e-3);
  expect(error).toBeLessThan(largest / 256); // half the distance between neighbours
});

test("bfloat16 weights with Kahan sums drift far less than the steps that rounding would lose", async () => {
  const { moved, error, largest } = await creep({ strategy: "adamw_bf16" }, 400);
  expect(moved).toBeGreaterThan(3.9e-3);
  expect(error).toBeLessThan(largest / 256 + moved / 10);
});

test("weight decay too small for a bfloat16 weight acts through the Kahan buffer", async () => {
  const policy = await tinyPolicy({ dtype: "bfloat16" });
  const optimizer = await optimizerOf(policy, { strategy: "adamw_bf16" });
  const name = "model.layers.0.mlp.down_proj.weight";
  const before = await testing.policyValues(policy, name, "weight");
  for (let step = 0; step < 500; step += 1) await native.optimizerStep(optimizer, policy, 1e-3, 1);
  const after = await testing.policyValues(policy, name, "weight");
  const norm = (values: Float64Array) => Math.hypot(...values);
  // (1 - 1e-3 * 0.1)^500 = 0.9512; one step alone is 1e-4 of a weight, its neighbours are 4e-3 away.
  expect(Math.abs(norm(after) / norm(before) - 0.9512)).toBeLessThan(0.005);
});

test.each([NaN, Infinity])("a gradient of %d skips the step and is zeroed", async (bad) => {
  const policy = await tinyPolicy();
  const optimizer = await optimizerOf(policy);
  const before = await weightsOf(policy);
  await setGradient(policy, () => (index) => (index === 7 ? bad : 1));
  const report = await native.optimizerStep(optimizer, policy, 0.01, 1);
  expect(report.skipped).toBe(true);
  expect(Number.isFinite(report.gradNorm)).toBe(false);
  expect(await weightsOf(policy)).toEqual(before);
  expect(native.optimizerNumSteps(optimizer)).toBe(0);
  // Nothing is left behind: the next step is a first one.
  const expected = new TorchAdamw(before, spec);
  await setGradient(policy, (tensor) => wave(1, tensor));
  expect((await native.optimizerStep(optimizer, policy, 0.01, 1)).skipped).toBe(false);
  expected.step((tensor) => wave(1, tensor), 0.01, 1);
  expect(largestError(await weightsOf(policy), expected.weights)).toBeLessThan(1e-6);
});

test("an optimizer is refused where it does not fit", async () => {
  const policy = await tinyPolicy();
  const untrained = await tinyPolicy({ trained: false });
  const frozen = await tinyPolicy({ freezeVisionTower: true });
  const wide = await tinyPolicy({ dtype: "float64" });
  const optimizer = await optimizerOf(policy);
  await expect(optimizerOf(untrained)).rejects.toMatchObject({ code: "E_VALUE" });
  await expect(optimizerOf(wide, { strategy: "adamw_bf16" })).rejects.toMatchObject({ code: "E_DTYPE" });
  await expect(native.optimizerStep(optimizer, untrained, 1e-3, 1)).rejects.toMatchObject({ code: "E_VALUE" });
  await expect(native.optimizerStep(optimizer, frozen, 1e-3, 1)).rejects.toMatchObject({ code: "E_SHAPE" });
});

test("the count of steps is set in its turn: not before a step that was asked for earlier", async () => {
  const policy = await tinyPolicy();
  const optimizer = await optimizerOf(policy);
  await setGradient(policy, (tensor) => wave(1, tensor));
  await Promise.all([
    ...[1, 2, 3, 4].map((seed) => native.initializeWeights(policy, seed)), // the step waits for a while
    native.optimizerStep(optimizer, policy, 0.01, 1),
    native.setOptimizerNumSteps(optimizer, 37),
    native.optimizerStep(optimizer, policy, 0.01, 1),
  ]);
  expect(native.optimizerNumSteps(optimizer)).toBe(38);
});
