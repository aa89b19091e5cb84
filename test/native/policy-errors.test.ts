// Bad weights, stopped calls, wrong handles and wrong values: one typed error each, and the policy works after.
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import type { GenerateSpec, PolicyHandle, WatchOptions } from "../../lib/native/binding.ts";
import { callNative, toNativeError } from "../../lib/native/call.ts";
import { loadNative } from "../../lib/native/load.ts";
import { fullSpec, plainSpec, testing } from "../support/objective.ts";
import {
  batchOf,
  gradientOf,
  inputsFor,
  keep,
  logProbs,
  mixedGroups,
  prompt,
  response,
  score,
  setWeight,
  tinyConfig,
  tinyPolicy,
} from "../support/tiny-policy.ts";

const native = loadNative();
const long: GenerateSpec = {
  temperature: 1,
  topP: 1,
  topK: 0,
  n: 2,
  maxTokens: 1_000_000,
  stopIds: [],
  forbiddenIds: [],
  seed: 1,
  purpose: 1,
  step: 1,
  maxConcurrent: 8,
};

async function expectZeroGradient(policy: PolicyHandle): Promise<void> {
  for (const [name, values] of await gradientOf(policy)) {
    expect(
      values.every((value) => value === 0),
      name,
    ).toBe(true);
  }
}

/** The error of a call that throws at once or rejects. */
async function failure(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return toNativeError(error);
  }
  return undefined;
}

describe.each(["model.norm.weight", "visual.merger.mlp.2.bias", "model.layers.1.mlp.down_proj.weight"])(
  "a nan in %s",
  (name) => {
    test("is E_NONFINITE everywhere and leaves no gradient; with the weight back, all is as before", async () => {
      const policy = await tinyPolicy();
      const groups = mixedGroups().slice(0, 1);
      const before = await logProbs(policy, groups);
      const old = await testing.policyValues(policy, name, "weight");
      await setWeight(policy, name, (index) => (index === 3 ? NaN : (old[index] ?? 0)));
      const prompts = groups.map((group) => group.prompt);
      for (const call of [
        () => logProbs(policy, groups),
        () => native.forwardBackward(policy, batchOf(groups), plainSpec, inputsFor(groups)),
        () => native.generate(policy, prompts, long),
      ]) {
        expect(await failure(call)).toMatchObject({ name: "NativeError", code: "E_NONFINITE" });
      }
      await expectZeroGradient(policy);
      await testing.setPolicyValues(policy, name, "weight", old);
      expect(await logProbs(policy, groups)).toEqual(before);
    });
  },
);

test("a failure in a later micro-batch takes the gradient of the first ones back", async () => {
  const policy = await tinyPolicy();
  const bad = { prompt: prompt("bad", [1]), responses: [Int32Array.of(tinyConfig.text.vocabSize)] };
  const groups = [...mixedGroups(), bad];
  const seen: number[] = [];
  const progress = (done: number) => {
    seen.push(done);
  };
  const inputs = inputsFor(groups, { maxTokens: 1 });
  const call = native.forwardBackward(policy, batchOf(groups), plainSpec, inputs, { progress });
  expect(await failure(() => call)).toMatchObject({ code: "E_VALUE" });
  await new Promise((resolve) => setImmediate(resolve)); // reports may come after the failure
  expect(seen).toEqual([0, 1, 1, 2, 2, 3]); // groups done, piece after piece
  await expectZeroGradient(policy);
});

describe("an AbortSignal", () => {
  /** Aborts at the first progress; without any within a moment, then too. */
  async function aborted<T>(call: (watch: WatchOptions) => Promise<T>): Promise<unknown> {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      controller.abort();
    }, 300);
    const progress = () => {
      controller.abort();
    };
    const error = await failure(() => callNative({ signal: controller.signal, progress }, call));
    clearTimeout(timer);
    return error;
  }
  const many = () =>
    Array.from({ length: 20_000 }, (_, i) => ({ prompt: prompt(`${i}`, [1, 2, 3]), responses: [response(4, i)] }));

  test("stops generate, scoring and an update, and the policy works after", async () => {
    const policy = await tinyPolicy();
    const groups = mixedGroups();
    const before = await logProbs(policy, groups);
    const prompts = groups.map((group) => group.prompt);
    const batch = batchOf(many());
    const options = { temperature: 1, entropy: false, maxTokens: 1 };
    const inputs = inputsFor(many(), { maxTokens: 1 });
    const calls: ((watch: WatchOptions) => Promise<unknown>)[] = [
      (watch) => native.generate(policy, prompts, long, watch),
      (watch) => native.computeLogProbs(policy, batch, options, watch),
      (watch) => native.forwardBackward(policy, batch, plainSpec, inputs, watch),
    ];
    for (const call of calls) expect(await aborted(call)).toMatchObject({ name: "NativeError", code: "E_ABORTED" });
    await expectZeroGradient(policy);
    expect(await logProbs(policy, groups)).toEqual(before);
  });

  test("that was raised before the call stops it before it begins", async () => {
    const policy = await tinyPolicy({ trained: false });
    const prompts = mixedGroups().map((group) => group.prompt);
    const call = callNative({ signal: AbortSignal.abort() }, (watch) => native.generate(policy, prompts, long, watch));
    await expect(call).rejects.toMatchObject({ code: "E_ABORTED" });
  });
});

describe("handles", () => {
  test("a disposed one is E_DISPOSED, a second dispose does nothing", async () => {
    const policy = await tinyPolicy();
    const batch = batchOf(mixedGroups());
    const scores = await score(policy, batch);
    native.dispose(scores);
    native.dispose(scores);
    expect(await failure(() => native.logProbValues(scores))).toMatchObject({
      code: "E_DISPOSED",
      message: "[log_prob_values] the log probs was disposed",
    });
    native.dispose(policy);
    expect(await failure(() => score(policy, batch))).toMatchObject({ code: "E_DISPOSED" });
    expect(await failure(() => native.policyTensors(policy))).toMatchObject({ code: "E_DISPOSED" });
  });

  test("another kind, or no handle at all, is E_HANDLE", async () => {
    const policy = await tinyPolicy();
    const batch = batchOf(mixedGroups());
    for (const wrong of [batch, {}, 7, "policy", null, undefined]) {
      const call = () => native.policyTensors(wrong as PolicyHandle);
      expect(await failure(call), typeof wrong).toMatchObject({ code: "E_HANDLE" });
    }
    expect(await failure(() => score(policy, policy as never))).toMatchObject({
      code: "E_HANDLE",
      message: "[compute_log_probs] expected a batch handle",
    });
  });

  test("dispose takes papo's own handles only", async () => {
    const server = createServer().listen(0);
    await once(server, "listening");
    // An external of Node.js' own.
    const foreign = (server as unknown as { _handle: { _externalStream: unknown } })._handle._externalStream;
    for (const wrong of [foreign, {}, 7, undefined]) {
      const call = () => {
        native.dispose(wrong as PolicyHandle);
      };
      expect(await failure(call)).toMatchObject({ code: "E_HANDLE", message: "[dispose] expected a handle" });
    }
    server.close();
  });

  test("disposed while a call runs, it waits for that call", async () => {
    const policy = await tinyPolicy({ trained: false });
    const batch = native.createBatch(mixedGroups());
    const running = native.computeLogProbs(policy, batch, { temperature: 1, entropy: false, maxTokens: 1 });
    native.dispose(policy);
    native.dispose(batch);
    const scores = await running;
    expect(await native.logProbValues(scores)).toHaveLength(22);
    native.dispose(scores);
  });
});

describe("values", () => {
  test("a token outside the vocabulary is E_VALUE in prompts and responses", async () => {
    const policy = await tinyPolicy({ trained: false });
    for (const id of [-1, tinyConfig.text.vocabSize, 2 ** 31 - 1]) {
      const inPrompt = [{ prompt: prompt("p", [1, id]), responses: [response(2, 1)] }];
      expect(await failure(() => logProbs(policy, inPrompt))).toMatchObject({ code: "E_VALUE" });
      for (const ids of [[id, 1], [1, id], [id]]) {
        const inResponse = [{ prompt: prompt("p", [1]), responses: [Int32Array.from(ids)] }];
        expect(await failure(() => logProbs(policy, inResponse))).toMatchObject({ code: "E_VALUE" });
      }
    }
  });

  test("a prompt without tokens, and image tokens without their picture, are E_SHAPE", async () => {
    const policy = await tinyPolicy({ trained: false });
    const groups = (ids: number[]) => [{ prompt: prompt("p", ids), responses: [response(2, 1)] }];
    expect(await failure(() => logProbs(policy, groups([])))).toMatchObject({ code: "E_SHAPE" });
    expect(await failure(() => logProbs(policy, groups([1, tinyConfig.imageTokenId])))).toMatchObject({
      code: "E_SHAPE",
    });
    const prompts = groups([]).map((group) => group.prompt);
    expect(await failure(() => native.generate(policy, prompts, long))).toMatchObject({ code: "E_SHAPE" });
  });

  test("an update wants gradients, groups of the batch, and one weight a response", async () => {
    const policy = await tinyPolicy();
    const groups = mixedGroups();
    const run = (target: PolicyHandle, more: Parameters<typeof inputsFor>[1]) =>
      failure(() => native.forwardBackward(target, batchOf(groups), plainSpec, inputsFor(groups, more)));
    expect(await run(await tinyPolicy({ trained: false }), {})).toMatchObject({ code: "E_VALUE" });
    for (const range of [{ firstGroup: -1 }, { firstGroup: 3 }, { lastGroup: 4 }, { firstGroup: 2, lastGroup: 1 }]) {
      expect(await run(policy, range), JSON.stringify(range)).toMatchObject({ code: "E_VALUE" });
    }
    const few = inputsFor(groups.slice(0, 1)).weights;
    expect(await run(policy, { weights: few })).toMatchObject({
      code: "E_SHAPE",
      message: "[forward_backward] weights: expected 7 numbers, one a response, got 3",
    });
  });

  test("log-probs of another batch are E_SHAPE", async () => {
    const policy = await tinyPolicy();
    const groups = mixedGroups();
    const other = await score(policy, batchOf(groups.slice(0, 1)));
    const inputs = inputsFor(groups, { oldLogProbs: other, refLogProbs: other, augLogProbs: other });
    const call = () => native.forwardBackward(policy, batchOf(groups), fullSpec, inputs);
    expect(await failure(call)).toMatchObject({ code: "E_SHAPE" });
  });

  test("log-probs that are given are one number for each token of the batch", async () => {
    const policy = await tinyPolicy();
    const groups = mixedGroups().slice(1);
    const batch = batchOf(groups);
    const rows = groups.flatMap(({ responses }) => responses.map(({ length }) => new Float32Array(length)));
    const call = (values: unknown) => failure(() => native.createLogProbs(policy, batch, values as Float32Array[]));
    expect(await call(rows.slice(1))).toMatchObject({
      code: "E_SHAPE",
      message: "[create_log_probs] expected log-probs of 4 responses, got 3",
    });
    expect(await call(rows.toReversed())).toMatchObject({
      code: "E_SHAPE",
      message: "[create_log_probs] response 0: expected 3 log-probs, one a token, got 4",
    });
    expect(await call([...rows.slice(1), [1, 2, 3, 4]])).toMatchObject({
      code: "E_VALUE",
      message: "[create_log_probs] values[3]: expected a Float32Array",
    });
    const rolloutLogProbs = keep(await native.createLogProbs(policy, batch, rows));
    const other = mixedGroups().slice(2);
    expect(
      await failure(() =>
        native.forwardBackward(policy, batchOf(other), plainSpec, inputsFor(other, { rolloutLogProbs })),
      ),
    ).toMatchObject({
      code: "E_SHAPE",
      message: "[forward_backward] rollout_log_probs: expected 6 tokens, those of the batch",
    });
  });

  test("an empty batch has nothing to score", async () => {
    const policy = await tinyPolicy({ trained: false });
    expect(await failure(() => logProbs(policy, []))).toMatchObject({ code: "E_SHAPE" });
  });
});
