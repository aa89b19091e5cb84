// A response is a function of the weights, the prompt and the settings, whatever else is decoded beside it.
import { describe, expect, test } from "vitest";
import type { GenerateSpec, PolicyHandle, PromptInput } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { testing } from "../support/objective.ts";
import { keep, logProbs, mixedGroups, setWeight, tinyConfig, tinyPolicy } from "../support/tiny-policy.ts";

const native = loadNative();
const base: GenerateSpec = {
  temperature: 1,
  topP: 1,
  topK: 0,
  n: 3,
  maxTokens: 12,
  stopIds: [7, 8, 9],
  forbiddenIds: [],
  seed: 5,
  purpose: 1,
  step: 2,
  maxConcurrent: 256,
};

const promptsOf = () => mixedGroups().map((group) => group.prompt);

async function generate(policy: PolicyHandle, prompts: readonly PromptInput[], more: Partial<GenerateSpec> = {}) {
  const groups = await native.generate(policy, prompts, { ...base, ...more });
  return groups.map((responses) => responses.map(({ ids, stopped }) => ({ ids: [...ids], stopped })));
}

describe("a rollout", () => {
  test("is the same again with the same seed and another one with another", async () => {
    const policy = await tinyPolicy({ trained: false });
    const prompts = promptsOf();
    const first = await generate(policy, prompts);
    expect(await generate(policy, prompts)).toEqual(first);
    for (const change of [{ seed: 6 }, { purpose: 2 }, { step: 3 }]) {
      expect(await generate(policy, prompts, change)).not.toEqual(first);
    }
    expect(new Set(first.flat().map(({ ids }) => ids.join())).size).toBe(9); // responses of a prompt differ
  });

  test.each([1, 2, 3, 4, 7])("is the same with %i responses at a time", async (maxConcurrent) => {
    const policy = await tinyPolicy({ trained: false });
    const prompts = promptsOf();
    expect(await generate(policy, prompts, { maxConcurrent })).toEqual(await generate(policy, prompts));
  });

  test("does not depend on the order of the prompts or on which others there are", async () => {
    const policy = await tinyPolicy({ trained: false });
    const prompts = promptsOf();
    const expected = await generate(policy, prompts);
    expect((await generate(policy, prompts.toReversed())).toReversed()).toEqual(expected);
    const alone = [];
    for (const prompt of prompts) alone.push(...(await generate(policy, [prompt])));
    expect(alone).toEqual(expected);
  });

  test("has the same first responses whatever n is", async () => {
    const policy = await tinyPolicy({ trained: false });
    const prompts = promptsOf();
    const five = await generate(policy, prompts, { n: 5 });
    expect(five.map((responses) => responses.slice(0, 3))).toEqual(await generate(policy, prompts));
  });
});

// Cuts and forbidden ids change what is drawn, not the log-prob that training computes of it.
test.each([
  ["as sampled", {}],
  [
    "at temperature 0.7, cut to top-p 0.8, ids forbidden",
    { temperature: 0.7, topP: 0.8, forbiddenIds: [3, 4, 5, 6, 3] },
  ],
  ["cut to 3 tokens", { temperature: 2, topK: 3 }],
  ["greedy", { temperature: 0, forbiddenIds: [11] }],
])("log-probs of a rollout are those of scoring, %s", async (_, more) => {
  const policy = await tinyPolicy({ trained: false });
  const prompts = promptsOf();
  const sampled = await native.generate(policy, prompts, { ...base, ...more });
  const groups = prompts.map((prompt, index) => ({ prompt, responses: (sampled[index] ?? []).map(({ ids }) => ids) }));
  const temperature = "temperature" in more && more.temperature > 0 ? more.temperature : 1;
  const expected = await logProbs(policy, groups, { temperature });
  const actual = sampled.flat().flatMap((response) => [...response.logProbs]);
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, index) => {
    expect(value).toBeCloseTo(expected[index] ?? NaN, 5);
  });
});

test("stop ids end a response and stay in it; others run to maxTokens", async () => {
  const policy = await tinyPolicy({ trained: false });
  const prompts = promptsOf();
  const free = (await generate(policy, prompts, { stopIds: [] })).flat();
  for (const { ids, stopped } of free) expect({ length: ids.length, stopped }).toEqual({ length: 12, stopped: false });
  const stopIds = [free[0]?.ids[3] ?? -1, free[4]?.ids[0] ?? -1];
  const cut = (await generate(policy, prompts, { stopIds })).flat();
  const expected = free.map(({ ids }) => {
    const at = ids.findIndex((id) => stopIds.includes(id));
    return at < 0 ? { ids, stopped: false } : { ids: ids.slice(0, at + 1), stopped: true };
  });
  expect(cut).toEqual(expected);
  expect(cut.filter(({ stopped }) => stopped).length).toBeGreaterThan(1);
});

test("forbidden ids are not sampled, however likely", async () => {
  const policy = await tinyPolicy({ trained: false });
  const prompts = promptsOf();
  // Greedy decoding takes the likeliest ids; forbidding those leaves none of them, again and again.
  const forbiddenIds: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    const ids =
      (await generate(policy, prompts, { temperature: 0, n: 1, forbiddenIds, stopIds: [] })).flat()[0]?.ids ?? [];
    expect(ids.filter((id) => forbiddenIds.includes(id))).toEqual([]);
    forbiddenIds.push(...ids);
  }
  const only = 37;
  const others = Array.from({ length: tinyConfig.text.vocabSize }, (_, id) => id).filter((id) => id !== only);
  for (const more of [{}, { topK: 5 }, { topP: 0.5 }, { temperature: 0 }]) {
    const groups = await generate(policy, prompts, { ...more, forbiddenIds: others, stopIds: [] });
    for (const { ids } of groups.flat()) expect(ids).toEqual(new Array(12).fill(only));
  }
});

test("forbidding an id that takes all the probability draws from the rest", async () => {
  const policy = await tinyPolicy({ trained: false });
  const { hiddenSize } = tinyConfig.text;
  // The head is the embedding table: a row of 30s takes nearly all the probability where it does not take none.
  const name = "model.embed_tokens.weight";
  await setWeight(policy, name, (index) => (Math.floor(index / hiddenSize) === 5 ? 30 : Math.sin(index) / 10));
  const prompts = promptsOf();
  const taken = (await generate(policy, prompts, { stopIds: [] })).flat().flatMap(({ ids }) => ids);
  const rest = (await generate(policy, prompts, { stopIds: [], forbiddenIds: [5] })).flat().flatMap(({ ids }) => ids);
  expect(taken.filter((id) => id === 5).length).toBeGreaterThan(20);
  expect(rest).not.toContain(5);
  expect(new Set(rest).size).toBeGreaterThan(20);
});

test("nothing left to sample is E_NONFINITE", async () => {
  const policy = await tinyPolicy({ trained: false });
  const forbiddenIds = Array.from({ length: tinyConfig.text.vocabSize }, (_, id) => id);
  await expect(generate(policy, promptsOf(), { forbiddenIds })).rejects.toMatchObject({ code: "E_NONFINITE" });
});

test("progress counts finished responses up to all of them", async () => {
  const policy = await tinyPolicy({ trained: false });
  const seen: number[][] = [];
  await native.generate(policy, promptsOf(), base, { progress: (...counts) => seen.push(counts) });
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen.at(-1)).toEqual([9, 9]);
  expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).toSorted((a = 0, b = 0) => a - b));
});

test.each([
  [{ n: 0 }, "E_VALUE"],
  [{ maxTokens: 0 }, "E_VALUE"],
  [{ temperature: -1 }, "E_VALUE"],
  [{ temperature: 10_001 }, "E_VALUE"],
  [{ temperature: NaN }, "E_VALUE"],
  [{ topP: 0 }, "E_VALUE"],
  [{ topP: 1.1 }, "E_VALUE"],
])("%j is %s", async (change, code) => {
  const policy = await tinyPolicy({ trained: false });
  await expect(generate(policy, promptsOf(), change)).rejects.toMatchObject({ code });
});

test("a float64 policy does not decode", async () => {
  const policy = await tinyPolicy({ trained: false, dtype: "float64" });
  await expect(generate(policy, promptsOf())).rejects.toMatchObject({ code: "E_DTYPE" });
});

// Wide enough that products of different numbers of rows round differently where their order depends on that number.
describe.each(["float32", "bfloat16"] as const)("48 tokens of a wide %s policy", (dtype) => {
  const text = { ...tinyConfig.text, hiddenSize: 256, intermediateSize: 704, numLayers: 3, numHeads: 8, numKvHeads: 2 };
  const config = { ...tinyConfig, text, vision: { ...tinyConfig.vision, outHiddenSize: 256 } };
  const spec = { maxTokens: 48, stopIds: [7], n: 5 };
  const wide = async () => {
    const options = { dtype, trained: false, freezeVisionTower: false, checkpointActivations: false };
    const policy = keep(await native.createPolicy(config, options));
    await native.initializeWeights(policy, 3);
    for (const { name, shape } of native.policyTensors(policy)) {
      const values = await testing.policyValues(policy, name, "weight");
      if (shape.length > 1) await setWeight(policy, name, (index) => 6 * (values[index] ?? 0));
    }
    return policy;
  };

  test.each([1, 2, 3, 7, 11])("are the same with %i responses at a time, fewer than a prompt has too", async (most) => {
    const policy = await wide();
    const expected = await generate(policy, promptsOf(), spec);
    expect(await generate(policy, promptsOf(), { ...spec, maxConcurrent: most })).toEqual(expected);
  });

  test("are the same for each prompt alone", async () => {
    const policy = await wide();
    const alone = [];
    for (const prompt of promptsOf()) alone.push(...(await generate(policy, [prompt], spec)));
    expect(alone).toEqual(await generate(policy, promptsOf(), spec));
  });
});

test("a response whose cache cannot fit is E_OOM and names what to lower", async () => {
  const policy = await tinyPolicy({ trained: false });
  const call = generate(policy, promptsOf(), { maxTokens: 2 ** 40 });
  await expect(call).rejects.toMatchObject({ code: "E_OOM" });
  await expect(call).rejects.toThrow(/data\.maxResponseLength.*rollout\.maxConcurrentResponses/);
});

test("no responses at a time is E_VALUE", async () => {
  const policy = await tinyPolicy({ trained: false });
  await expect(generate(policy, promptsOf(), { maxConcurrent: 0 })).rejects.toMatchObject({ code: "E_VALUE" });
});
