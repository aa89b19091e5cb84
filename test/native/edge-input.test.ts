// Input at the edges of what a batch may hold, on the CPU and by the way that CUDA takes.
import { describe, expect, test } from "vitest";
import type { DeviceName, GenerateSpec, GroupInput, LossSpec, PolicyHandle } from "../../lib/native/binding.ts";
import { toNativeError } from "../../lib/native/call.ts";
import { loadNative } from "../../lib/native/load.ts";
import { kernelDevice } from "../support/kernel-device.ts";
import { fullSpec, largestDifference, plainSpec, testing } from "../support/objective.ts";
import {
  batchOf,
  gradientDifference,
  inputsFor,
  keep,
  logProbs,
  maskedView,
  mixedGroups,
  nearLogProbs,
  prompt,
  response,
  score,
  setWeight,
  tinyConfig,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();
const devices: readonly DeviceName[] = ["cpu", kernelDevice];
const promptsOf = () => mixedGroups().map((group) => group.prompt);

/** One layer with heads of 64 numbers, which the device's decode attention takes. */
const text = { ...tinyConfig.text, numLayers: 1, headSize: 64, mropeSection: [8, 12, 12] as const };

async function decoding(device: DeviceName): Promise<PolicyHandle> {
  const options = { dtype: "float32", device, trained: true, freezeVisionTower: false } as const;
  const policy = keep(await native.createPolicy({ ...tinyConfig, text }, { ...options, checkpointActivations: false }));
  await native.initializeWeights(policy, 3);
  for (const { name, shape } of native.policyTensors(policy)) {
    const values = await testing.policyValues(policy, name, "weight");
    if (shape.length > 1) await setWeight(policy, name, (index) => 6 * (values[index] ?? 0));
  }
  return policy;
}

const greedy: GenerateSpec = {
  temperature: 0,
  topP: 1,
  topK: 0,
  n: 1,
  maxTokens: 8,
  stopIds: [],
  forbiddenIds: [],
  seed: 1,
  purpose: 1,
  step: 1,
  maxConcurrent: 8,
};

const idsOf = async (policy: PolicyHandle, more: Partial<GenerateSpec> = {}) =>
  (await native.generate(policy, promptsOf(), { ...greedy, ...more })).map((group) => group.map(({ ids }) => [...ids]));

/** The message of what a call throws or rejects with. */
async function refusal(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return toNativeError(error);
  }
  return undefined;
}

describe("a response of 2,048 tokens among short ones", () => {
  const groups = (): GroupInput[] => {
    const [first, ...rest] = mixedGroups();
    if (!first) throw new Error("no groups");
    return [{ ...first, responses: [response(2, 31), response(2048, 32), response(1, 33)] }, ...rest];
  };

  test("has the log-probs of a batch of its own, and leaves those of the others alone", async () => {
    const policy = await tinyPolicy({ trained: false });
    const all = await logProbs(policy, groups(), { maxTokens: 4096 });
    const alone = [];
    for (const { prompt, responses } of groups())
      for (const ids of responses) alone.push(...(await logProbs(policy, [{ prompt, responses: [ids] }])));
    expect(largestDifference(all, Float64Array.from(alone))).toBeLessThan(1e-5);
  });

  test("gives the same gradient however micro-batches are cut, also where it alone is larger than one", async () => {
    const policy = await tinyPolicy();
    const scores = await nearLogProbs(policy, groups(), {});
    const whole = await update(policy, groups(), fullSpec, scores);
    const cut = await update(policy, groups(), fullSpec, { ...scores, maxTokens: 64 });
    expect(gradientDifference(cut.gradient, whole.gradient)).toBeLessThan(1e-4);
    expect(cut.report.numTokens).toBe(2051 + 10 + 6);
  });

  test("has the CPU's log-probs and gradient on the device", async () => {
    const [cpu, emulated] = await Promise.all(
      devices.map(async (device) => {
        const policy = await tinyPolicy({ device });
        const augLogProbs = await score(policy, batchOf(groups()), { view: maskedView });
        const spec: LossSpec = { ...plainSpec, klPrcp: { coef: 0.2, estimator: "k3" } };
        const { gradient } = await update(policy, groups(), spec, { augLogProbs, maxTokens: 512 });
        return { scored: await native.logProbValues(augLogProbs), gradient };
      }),
    );
    if (!cpu || !emulated) throw new Error("two devices");
    expect(largestDifference(emulated.scored, cpu.scored)).toBeLessThan(2e-5);
    expect(gradientDifference(emulated.gradient, cpu.gradient)).toBeLessThan(1e-4);
  });

  test("is decoded to its end while the others leave early, with the log-probs of scoring", async () => {
    const policy = await decoding("cpu");
    const free = (await idsOf(policy, { maxTokens: 2048 })).flat();
    // Greedy decoding ends in loops: an id that the second prompt never comes to ends the other two early.
    const stop = free[0]?.find((id) => free[2]?.includes(id) === true && free[1]?.includes(id) === false) ?? -1;
    const responses = await native.generate(policy, promptsOf(), { ...greedy, maxTokens: 2048, stopIds: [stop] });
    const lengths = responses.map(([only]) => only?.ids.length ?? 0);
    expect(lengths[1]).toBe(2048);
    expect(Math.max(lengths[0] ?? NaN, lengths[2] ?? NaN)).toBeLessThan(1024);
    const sampled = promptsOf().map((prompt, index) => ({
      prompt,
      responses: (responses[index] ?? []).map(({ ids }) => ids),
    }));
    const taken = Float64Array.from(responses.flat().flatMap((one) => [...one.logProbs]));
    expect(largestDifference(taken, await logProbs(policy, sampled))).toBeLessThan(1e-5);
  });
});

describe.each(devices)("on device %s", (device) => {
  test("a batch of nothing but empty responses has no tokens and no gradient, plain and masked", async () => {
    const policy = await tinyPolicy({ device });
    const groups = mixedGroups().map(({ prompt }) => ({ prompt, responses: [new Int32Array(0)] }));
    expect(await logProbs(policy, groups, { view: { ...maskedView, perResponse: true } })).toHaveLength(0);
    const { report, gradient } = await update(policy, groups, plainSpec);
    expect(report).toMatchObject({ numTokens: 0, metrics: {} });
    expect([...gradient.values()].every((values) => values.every((value) => value === 0))).toBe(true);
  });

  test("one response a prompt is the first of three, and one token the first of many", async () => {
    const policy = await decoding(device);
    const sampling = { temperature: 1, maxTokens: 9 };
    const three = await idsOf(policy, { ...sampling, n: 3 });
    expect(await idsOf(policy, sampling)).toEqual(three.map((group) => group.slice(0, 1)));
    expect(await idsOf(policy, { ...sampling, n: 3, maxTokens: 1 })).toEqual(
      three.map((group) => group.map((ids) => ids.slice(0, 1))),
    );
  });

  test("a top-p of 1e-9, a top-k of 1 and a tiny temperature sample what temperature 0 does", async () => {
    const policy = await decoding(device);
    const expected = await idsOf(policy);
    for (const more of [{ topP: 1e-9 }, { topK: 1 }, { temperature: 1e-30 }])
      expect(await idsOf(policy, { temperature: 1, ...more }), JSON.stringify(more)).toEqual(expected);
  });

  test("equal logits: every token has log-prob -ln V, the greedy one is id 0, and the gradient is finite", async () => {
    const policy = await decoding(device);
    await setWeight(policy, "model.norm.weight", () => 0);
    const [group] = await native.generate(policy, promptsOf(), greedy);
    expect([...(group?.[0]?.ids ?? [])]).toEqual(new Array(8).fill(0));
    const sampled = await native.generate(policy, promptsOf(), { ...greedy, temperature: 0.5, topP: 0.1, n: 4 });
    expect(new Set(sampled.flat().flatMap(({ ids }) => [...ids])).size).toBeGreaterThan(48); // of 96: 96 draws
    const uniform = -Math.log(tinyConfig.text.vocabSize);
    for (const value of await logProbs(policy, mixedGroups())) expect(value).toBeCloseTo(uniform, 5);
    for (const value of sampled.flat().flatMap((one) => [...one.logProbs])) expect(value).toBeCloseTo(uniform, 5);
    const { gradient } = await update(policy, mixedGroups(), plainSpec);
    expect([...gradient.values()].every((values) => values.every(Number.isFinite))).toBe(true);
  });

  test.each([NaN, Infinity])("logits of %d end every pass with the operation and the row", async (bad) => {
    const policy = await decoding(device);
    // The head is tied: the last ids' logits are bad, and no prompt or response holds one of them.
    const width = tinyConfig.text.hiddenSize;
    const name = "model.embed_tokens.weight";
    const old = await testing.policyValues(policy, name, "weight");
    await setWeight(policy, name, (index) => (index === 95 * width ? bad : (old[index] ?? 0)));
    const groups = mixedGroups().slice(1);
    const rowError = { code: "E_NONFINITE", message: "[token_log_probs] logits of row 0 are not finite" };
    expect(await refusal(() => logProbs(policy, groups))).toMatchObject(rowError);
    for (const spec of [plainSpec, { ...plainSpec, policyLoss: "gspo" }] as const)
      expect(
        await refusal(() => native.forwardBackward(policy, batchOf(groups), spec, inputsFor(groups))),
      ).toMatchObject(rowError);
    const prompts = groups.map(({ prompt }) => prompt);
    expect(await refusal(() => native.generate(policy, prompts, greedy))).toMatchObject({
      code: "E_NONFINITE",
      message: "[sample_token] response 0 to text: the logits of token 0 are not finite",
    });
  });

  test("a temperature of 0 has no log-probs: E_VALUE in scoring and in an update", async () => {
    const policy = await tinyPolicy({ device });
    const groups = mixedGroups();
    const message = /\.temperature: expected a number above 0/u;
    for (const temperature of [0, -1, NaN, Infinity]) {
      await expect(logProbs(policy, groups, { temperature })).rejects.toThrow(message);
      const inputs = inputsFor(groups, { temperature });
      await expect((async () => native.forwardBackward(policy, batchOf(groups), plainSpec, inputs))()).rejects.toThrow(
        message,
      );
    }
  });

  test("a cache that cannot fit names how much it needs; one that holds fewer than a group's decodes them in turn", async () => {
    const policy = await decoding(device);
    const [text] = [prompt("text", [11, 12, 13, 14, 15])];
    const call = native.generate(policy, [text], { ...greedy, maxTokens: 2 ** 36 });
    // Keys and values of one head of 64 float32 numbers in one layer: 512 bytes a token; less than one MiB the prompt's.
    const mebibytes = (2 ** 36 * 512) / 2 ** 20 + 1;
    await expect(call).rejects.toMatchObject({ code: "E_OOM" });
    await expect(call).rejects.toThrow(`may need ${mebibytes} MiB`);
    const whole = await idsOf(policy, { temperature: 1, n: 3 });
    expect(await idsOf(policy, { temperature: 1, n: 3, maxConcurrent: 1 })).toEqual(whole);
  });
});

// Tiles of the vocabulary are 16 columns here (tileBytes 1); a kernel's block takes 512 x 8, 4 or 1 numbers a step.
test.each([17, 513, 1025, 2049, 4097])("a vocabulary of a tile and one, %i, is scored as composed", async (vocab) => {
  const sizes = { rows: 5, vocab, width: 8, temperature: 0.7, entropy: 1, tileBytes: 1, chunkBytes: 1, trained: 1 };
  for (const op of ["token_log_probs", "kl_divergence"] as const) {
    for (const device of devices) {
      const worst = await testing.compareOp(op, { dtype: "float32", device, seed: 3, sizes });
      for (const [name, value] of Object.entries(worst)) expect(value, `${op} ${device} ${name}`).toBeLessThan(1e-4);
    }
  }
});
