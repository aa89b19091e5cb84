// Prompts that enter in chunks while others decode, and the memory that lets them in.
import { afterEach, describe, expect, test } from "vitest";
import type { GenerateSpec, PolicyHandle, PromptInput } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { policyOn } from "../support/device-policy.ts";
import { kernelDevice } from "../support/kernel-device.ts";
import { testing } from "../support/objective.ts";
import { mixedGroups, tinyConfig, tinyPolicy } from "../support/tiny-policy.ts";

const native = loadNative();
const base: GenerateSpec = {
  ...{ temperature: 1, topP: 0.9, topK: 0, n: 3, maxTokens: 12, stopIds: [7, 8, 9], forbiddenIds: [] },
  ...{ seed: 5, purpose: 1, step: 2, maxConcurrent: 4 },
};

const promptsOf = () => mixedGroups().map((group) => group.prompt);

async function sampled(policy: PolicyHandle, prompts: readonly PromptInput[], more: Partial<GenerateSpec> = {}) {
  const groups = await native.generate(policy, prompts, { ...base, ...more });
  const ids = groups.map((responses) => responses.map((response) => [...response.ids]));
  return { ids, logProbs: groups.flat().flatMap((response) => [...response.logProbs]) };
}

describe.each(["cpu", kernelDevice] as const)("prompts that enter in chunks, device %s", (device) => {
  test.each([1, 7, 18])("of %i rows while others decode get the same responses", async (prefillTokens) => {
    const policy = await policyOn(device);
    const whole = await sampled(policy, promptsOf());
    const chunked = await sampled(policy, promptsOf(), { prefillTokens });
    expect(chunked.ids).toEqual(whole.ids);
    whole.logProbs.forEach((value, index) => {
      expect(Math.abs((chunked.logProbs[index] ?? NaN) - value)).toBeLessThan(1e-5);
    });
  });
});

test("of a prompt's chunks no number depends on who decodes meanwhile", async () => {
  const policy = await tinyPolicy({ trained: false });
  const together = await sampled(policy, promptsOf(), { prefillTokens: 7 });
  const alone = [];
  for (const prompt of promptsOf()) alone.push(await sampled(policy, [prompt], { prefillTokens: 7, maxConcurrent: 1 }));
  expect(alone.flatMap(({ ids }) => ids)).toEqual(together.ids);
  expect(alone.flatMap(({ logProbs }) => logProbs)).toEqual(together.logProbs);
});

test("no rows a chunk is E_VALUE", async () => {
  const policy = await tinyPolicy({ trained: false });
  await expect(sampled(policy, promptsOf(), { prefillTokens: 0 })).rejects.toMatchObject({ code: "E_VALUE" });
});

describe("memory for keys and values", () => {
  afterEach(() => testing.pretendMemory(0));

  // A token's keys and values in float32: 2 x layers x key/value heads x 64 x 4 bytes. Responses take whole pages of 64.
  const tokenBytes = 2 * tinyConfig.text.numLayers * tinyConfig.text.numKvHeads * 64 * 4;
  const needed = (promptTokens: number, responses: number) => (promptTokens + 64 * responses) * tokenBytes;
  const free = { stopIds: [], n: 2, maxTokens: 12, maxConcurrent: 64 };

  /** Decoding steps that a rollout took; the tokens of a response after its first take one each. */
  async function stepsWith(bytes: number, more: Partial<GenerateSpec> = {}) {
    const policy = await policyOn(kernelDevice);
    await testing.pretendMemory(bytes);
    await testing.kernelLaunches();
    const { ids } = await sampled(policy, promptsOf(), { ...free, ...more });
    const launches = await testing.kernelLaunches();
    return { ids, steps: (launches["graph recorded"] ?? 0) + (launches["graph replayed"] ?? 0) };
  }
  // The prompts have 11, 5 and 19 tokens.
  const longest = 19;
  const all = 35;

  test.each([8192, 7])("decides how many decode together, prefilled by %i rows", async (prefillTokens) => {
    const enough = await stepsWith(needed(all, 6), { prefillTokens });
    // Chunk by chunk the prompts come later, one of some chunks a step.
    if (prefillTokens > all) expect(enough.steps).toBe(11);
    else expect(enough.steps).toBeGreaterThan(11);
    const one = await stepsWith(needed(longest, 1), { prefillTokens });
    expect(one.steps).toBe(6 * 11);
    expect(one.ids).toEqual(enough.ids);
  });

  test("less than a prompt and one response need is E_OOM, which says how much", async () => {
    const bytes = needed(longest, 1) - 1;
    const run = stepsWith(bytes);
    await expect(run).rejects.toMatchObject({ code: "E_OOM" });
    await expect(run).rejects.toThrow(`may need ${Math.ceil(bytes / 2 ** 20)} MiB`);
  });
});
