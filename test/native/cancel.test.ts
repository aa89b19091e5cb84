// One native pass is one long stretch of work: an AbortSignal stops it in the middle, forward and backward.
import { expect, test } from "vitest";
import type { PolicyOptions, WatchOptions } from "../../lib/native/binding.ts";
import { callNative } from "../../lib/native/call.ts";
import { loadNative } from "../../lib/native/load.ts";
import { plainSpec, testing } from "../support/objective.ts";
import { batchOf, inputsFor, keep, prompt, response, tinyConfig } from "../support/tiny-policy.ts";

const native = loadNative();
const text = { ...tinyConfig.text, hiddenSize: 64, intermediateSize: 512, numLayers: 6, numHeads: 4, numKvHeads: 2 };
const config = { ...tinyConfig, text, vision: { ...tinyConfig.vision, outHiddenSize: 64 } };

/** A policy to which a prompt of 1,500 tokens takes some tenths of a second, in one pass. */
async function slowPolicy(options: Partial<PolicyOptions> = {}) {
  const plain = { dtype: "float32", trained: true, freezeVisionTower: true, checkpointActivations: false } as const;
  const policy = keep(await native.createPolicy(config, { ...plain, ...options }));
  await native.initializeWeights(policy, 1);
  return policy;
}
const longGroup = () => [
  {
    prompt: prompt(
      "long",
      Array.from({ length: 1500 }, (_, i) => i % 80),
    ),
    responses: [response(9, 1)],
  },
];

/**
 * The error of a call that is aborted once `share` of the time that it takes whole has passed. On a busy machine the timer
 * may be late, or a call faster than those before: then it is measured and tried again.
 */
async function abortedAt(share: number, call: (watch: WatchOptions) => Promise<unknown>): Promise<unknown> {
  let whole = Infinity;
  for (let time = 0; time < 20; time += 1) {
    const start = performance.now();
    await call({});
    whole = Math.min(whole, performance.now() - start);
    if (time < 2) continue;
    const error = await callNative({ signal: AbortSignal.timeout(Math.ceil(share * whole)) }, call).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (error !== undefined) return error;
  }
  return "not stopped";
}

test("stops within one pass of scoring and within one prefill", async () => {
  const policy = await slowPolicy({ trained: false });
  const groups = longGroup();
  const options = { temperature: 1, entropy: false, maxTokens: 10_000 };
  const batch = batchOf(groups);
  const scoring = async (watch: WatchOptions) => {
    native.dispose(await native.computeLogProbs(policy, batch, options, watch));
  };
  expect(await abortedAt(0.3, scoring)).toMatchObject({ code: "E_ABORTED", op: "compute_log_probs" });
  const spec = { temperature: 1, topP: 1, topK: 0, n: 1, maxTokens: 1, stopIds: [], forbiddenIds: [], seed: 1 };
  const sampling = { ...spec, purpose: 1, step: 1, maxConcurrent: 8 };
  const prompts = groups.map((group) => group.prompt);
  expect(await abortedAt(0.3, (watch) => native.generate(policy, prompts, sampling, watch))).toMatchObject({
    code: "E_ABORTED",
    op: "generate",
  });
});

// The forward pass is a third of the work, a quarter when the backward pass repeats it.
test.each([false, true])("stops within a backward pass (checkpointing: %s), no gradient left", async (checkpoint) => {
  const policy = await slowPolicy({ checkpointActivations: checkpoint });
  const groups = longGroup();
  const batch = batchOf(groups);
  const inputs = inputsFor(groups, { maxTokens: 10_000 });
  const name = "model.norm.weight";
  const zeros = new Float64Array(text.hiddenSize);
  const update = async (watch: WatchOptions) => {
    await native.forwardBackward(policy, batch, plainSpec, inputs, watch);
    await testing.setPolicyValues(policy, name, "gradient", zeros);
  };
  expect(await abortedAt(0.5, update)).toMatchObject({ code: "E_ABORTED", op: "forward_backward" });
  expect(await testing.policyValues(policy, name, "gradient")).toEqual(zeros);
});

test("stops the initialisation of weights and an optimizer step that has not begun", async () => {
  const policy = await slowPolicy();
  const name = "model.norm.weight";
  const spec = { strategy: "adamw", beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 } as const;
  const optimizer = keep(await native.createOptimizer(policy, spec));
  const before = await testing.policyValues(policy, name, "weight");
  await testing.setPolicyValues(policy, name, "gradient", new Float64Array(text.hiddenSize).fill(1));
  const signal = AbortSignal.abort();
  const calls: ((watch: WatchOptions) => Promise<unknown>)[] = [
    (watch) => native.initializeWeights(policy, 2, watch),
    (watch) => native.optimizerStep(optimizer, policy, 0.1, 1, watch),
  ];
  for (const call of calls) {
    await expect(callNative({ signal }, call)).rejects.toMatchObject({ code: "E_ABORTED" });
  }
  expect(await testing.policyValues(policy, name, "weight")).toEqual(before);
  expect(native.optimizerNumSteps(optimizer)).toBe(0);
});
