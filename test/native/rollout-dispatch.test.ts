// Rollouts on the device `emulated`: the way that CUDA takes, with the kernels on the CPU, beside the CPU's.
import { expect, test } from "vitest";
import type { DeviceName, GenerateSpec } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { policyOn } from "../support/device-policy.ts";
import { kernelDevice } from "../support/kernel-device.ts";
import { testing } from "../support/objective.ts";
import { batchOf, mixedGroups, response, tinyPolicy } from "../support/tiny-policy.ts";

const native = loadNative();

const spec: GenerateSpec = {
  temperature: 1,
  topP: 0.95,
  topK: 0,
  n: 3,
  maxTokens: 70, // more than a page of 64
  stopIds: [7],
  forbiddenIds: [3, 4, 4],
  seed: 5,
  purpose: 1,
  step: 2,
  maxConcurrent: 5, // groups enter while others are on their way
};

const generate = async (device: DeviceName, more: Partial<GenerateSpec> = {}) =>
  await native.generate(
    await policyOn(device),
    mixedGroups().map(({ prompt }) => prompt),
    { ...spec, ...more },
  );

test.each([
  ["top-p", {}],
  ["nine at a time, a bucket of ten rows", { maxConcurrent: 9, maxTokens: 20 }],
  // The second eight begin as the first did, with graphs of before the pool grew.
  ["eight at a time, whose pages outgrow the pool", { n: 6, maxConcurrent: 8, maxTokens: 66, stopIds: [] }],
  ["top-k at temperature 0.7", { temperature: 0.7, topP: 1, topK: 5, maxTokens: 12 }],
  ["greedy", { temperature: 0, maxTokens: 12 }],
])("the same tokens with the same log-probs as on the CPU: %s", async (_, more) => {
  const [emulated, expected] = [await generate(kernelDevice, more), await generate("cpu", more)];
  expect(emulated.map((group) => group.map(({ ids }) => [...ids]))).toEqual(
    expected.map((group) => group.map(({ ids }) => [...ids])),
  );
  const [actual, wanted] = [emulated, expected].map((groups) => groups.flat().flatMap(({ logProbs }) => [...logProbs]));
  wanted?.forEach((value, index) => {
    expect(actual?.[index]).toBeCloseTo(value, 4);
  });
});

test("the kernels ran: a whole rollout by their launchers", async () => {
  await testing.kernelLaunches();
  await generate(kernelDevice, { maxTokens: 3 });
  const launches = await testing.kernelLaunches();
  expect(Object.keys(launches)).toEqual(expect.arrayContaining(["kv_write", "decode_attention", "sample_tokens"]));
});

test.each([
  ["float32", 1e-5],
  ["bfloat16", 0.05],
] as const)("cached decoding in %s gives the packed pass's logits", async (dtype, bound) => {
  const policy = await policyOn(kernelDevice, dtype);
  const groups = mixedGroups().map((group) => ({ ...group, responses: [...group.responses, response(66, 9)] }));
  expect(await testing.compareDecode(policy, batchOf(groups))).toBeLessThan(bound);
  const short = batchOf(mixedGroups());
  for (const chunk of [1, 7, 13]) expect(await testing.compareDecode(policy, short, chunk)).toBeLessThan(bound);
});

test("a token is a replay of a recorded step and one wait of the host", async () => {
  await testing.kernelLaunches();
  await testing.hostWaits();
  await generate(kernelDevice, { maxTokens: 60, stopIds: [], maxConcurrent: 9 });
  expect(await testing.hostWaits()).toBe(60);
  const {
    "graph recorded": recorded = 0,
    "graph replayed": replayed = 0,
    ...launches
  } = await testing.kernelLaunches();
  expect(recorded + replayed).toBe(59); // the first tokens follow from the prompts
  expect(recorded).toBe(1); // within a page the sizes stay the same
  expect(launches.sample_tokens).toBe(60);
});

test("heads of another size are E_VALUE", async () => {
  const policy = await tinyPolicy({ trained: false, device: kernelDevice });
  const prompts = mixedGroups().map(({ prompt }) => prompt);
  await expect(native.generate(policy, prompts, spec)).rejects.toMatchObject({ code: "E_VALUE" });
});
