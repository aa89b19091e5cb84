// What tensors take: the ledger, the memory model beside it, and recomputing as little as the memory asks for.
import { afterEach, describe, expect, test } from "vitest";
import type { DeviceName, GroupInput, LossSpec, UpdateInputs, UpdateWork } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { takeTensorPeak } from "../../lib/trainer/tensor-memory.ts";
import { kernelDevice, onCuda } from "../support/kernel-device.ts";
import { fullSpec, plainSpec } from "../support/objective.ts";
import {
  batchOf,
  gradientDifference,
  inputsFor,
  keep,
  maskedView,
  metricDifference,
  mixedGroups,
  nearLogProbs,
  picture,
  prompt,
  response,
  tinyConfig,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();

afterEach(() => {
  native.setMemoryLimit(null);
});

/** Bytes of all tensors at present. */
async function present(device: DeviceName = "cpu"): Promise<number> {
  await takeTensorPeak(device);
  return await takeTensorPeak(device);
}

/** Layers enough to recompute some, and wide enough to be most of what an update takes. */
const deep = {
  ...tinyConfig,
  text: { ...tinyConfig.text, hiddenSize: 64, intermediateSize: 384, numLayers: 5, numHeads: 4, numKvHeads: 2 },
  vision: { ...tinyConfig.vision, hiddenSize: 32, intermediateSize: 384, depth: 4, outHiddenSize: 64 },
};

describe("the ledger", () => {
  test("counts weights and gradients to a page, and gives them back when they are freed", async () => {
    const before = await present();
    const policy = await native.createPolicy(tinyConfig, {
      ...{ dtype: "float32", trained: true, freezeVisionTower: false, checkpointActivations: false },
    });
    const numbers = native.policyTensors(policy).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const taken = (await present()) - before;
    // One buffer of weights and one of gradients, in which tensors begin at multiples of 64 bytes.
    expect(taken).toBeGreaterThanOrEqual(2 * 4 * numbers);
    expect(taken).toBeLessThan(2 * (4 * numbers + 64 * native.policyTensors(policy).length + 4096));
    native.dispose(policy);
    expect(await present()).toBe(before);
  });

  test("counts log-probs: 4 bytes a response token, and what malloc rounds up by", async () => {
    const policy = await tinyPolicy();
    const groups = mixedGroups();
    const batch = batchOf(groups);
    const score = () => native.computeLogProbs(policy, batch, { temperature: 1, entropy: false, maxTokens: 4096 });
    native.dispose(await score()); // pictures keep what the first pass has made of them
    const before = await present();
    const scores = await score();
    const taken = (await present()) - before;
    expect(taken).toBeGreaterThanOrEqual(4 * (5 + 0 + 1 + 3 + 7 + 2 + 4));
    expect(taken).toBeLessThan(4 * (5 + 0 + 1 + 3 + 7 + 2 + 4) + 80);
    native.dispose(scores);
    expect(await present()).toBe(before);
  });

  test("remembers the peak of what was freed again, once", async () => {
    const policy = await tinyPolicy();
    const groups = mixedGroups();
    const run = () => native.forwardBackward(policy, batchOf(groups), plainSpec, inputsFor(groups));
    await run(); // pictures keep their resized bytes
    const before = await present();
    await run();
    expect((await native.takeMemoryPeak()).main).toBeGreaterThan(before + 100_000);
    expect((await native.takeMemoryPeak()).main).toBe(before);
  });
});

// Sizes of the toy models that the step is measured with, a fraction of the second one's vocabulary.
const small = {
  ...tinyConfig,
  text: {
    ...{ ...tinyConfig.text, hiddenSize: 256, intermediateSize: 704, numLayers: 6, numHeads: 4, numKvHeads: 2 },
    ...{ headSize: 64, vocabSize: 4096, mropeSection: [8, 12, 12] as const },
  },
  vision: {
    ...{ ...tinyConfig.vision, depth: 6, hiddenSize: 160, numHeads: 4, intermediateSize: 448, outHiddenSize: 256 },
    fullattBlockIndexes: [3, 5],
  },
};
const medium = {
  ...tinyConfig,
  text: {
    ...{ ...tinyConfig.text, hiddenSize: 512, intermediateSize: 1408, numLayers: 8, numHeads: 8, numKvHeads: 2 },
    ...{ headSize: 64, vocabSize: 30_000, mropeSection: [8, 12, 12] as const },
  },
  vision: {
    ...{ ...tinyConfig.vision, depth: 8, hiddenSize: 256, numHeads: 4, intermediateSize: 704, outHiddenSize: 512 },
    fullattBlockIndexes: [4, 7],
  },
};

function groupsOf(sides: readonly number[], lengths: readonly number[]): GroupInput[] {
  return sides.map((side, index) => ({
    prompt: prompt(`p${index}`, [
      3,
      ...(side > 0 ? [picture(index, side, side + 28)] : []),
      ...Array<number>(20).fill(9),
    ]),
    responses: lengths.map((length, i) => response(length, i + 1)),
  }));
}

const whole: LossSpec = { ...plainSpec, entropy: "full", oriEntropyCoef: 0.1 };
type Case = readonly [
  name: string,
  config: typeof small,
  groups: () => GroupInput[],
  spec: LossSpec,
  options: { dtype?: "float32" | "bfloat16" | "float64"; device?: DeviceName; freezeVisionTower?: boolean },
  inputs: Partial<UpdateInputs>,
];
const cases: readonly Case[] = [
  ["the small model", small, () => groupsOf([336, 224], [97, 64, 80]), plainSpec, {}, {}],
  ["the small model with text alone", small, () => groupsOf([0], [200, 111, 37]), plainSpec, {}, {}],
  ["the small model with short responses to a large picture", small, () => groupsOf([560], [7, 5]), plainSpec, {}, {}],
  ["a loss of whole log-probs", small, () => groupsOf([336], [97, 64, 80]), whole, {}, {}],
  ["a trained masked branch", small, () => groupsOf([336], [97, 64]), whole, {}, { recompute: maskedView }],
  [
    "a mask for each response",
    small,
    () => groupsOf([224], [97, 64]),
    whole,
    {},
    { recompute: { ...maskedView, perResponse: true } },
  ],
  ["a frozen vision tower", small, () => groupsOf([336], [97, 64, 80]), plainSpec, { freezeVisionTower: true }, {}],
  ["float64", small, () => groupsOf([224], [97, 64, 80]), plainSpec, { dtype: "float64" }, {}],
  ["bfloat16", small, () => groupsOf([224], [97, 64, 80]), plainSpec, { dtype: "bfloat16" }, {}],
  ["the kernels' way", small, () => groupsOf([84], [20, 11]), plainSpec, { device: kernelDevice }, {}],
  ["the medium model", medium, () => groupsOf([336], [97, 64, 80]), plainSpec, {}, {}],
];

describe.each(cases)("the memory model of %s", (_, config, groups, spec, options, inputs) => {
  test.each([false, true])("is within 15 % of what tensors took, recomputed: %s", async (checkpointActivations) => {
    const policy = keep(
      await native.createPolicy(config, {
        ...{ dtype: "float32", trained: true, freezeVisionTower: false, checkpointActivations },
        ...options,
      }),
    );
    await native.initializeWeights(policy, 1);
    const batch = groups();
    const handle = batchOf(batch);
    // Libraries take their own memory from libtorch at their first calls on a GPU.
    if (onCuda) await native.forwardBackward(policy, handle, spec, inputsFor(batch, inputs));
    const before = await present(options.device);
    const report = await native.forwardBackward(policy, handle, spec, inputsFor(batch, inputs));
    const took = (await takeTensorPeak(options.device ?? "cpu")) - before;
    const predicted = report.predictedPeakBytes - before;
    expect(predicted / took).toBeGreaterThan(0.85);
    expect(predicted / took).toBeLessThan(1.15);
    expect(report.recomputedLayers).toBe(checkpointActivations ? config.text.numLayers : 0);
  });
});

const branches: readonly (readonly [string, Partial<UpdateInputs>])[] = [
  ["of the plain branch", {}],
  ["with a trained masked branch", { recompute: maskedView }],
  ["with a mask for each response", { recompute: { ...maskedView, perResponse: true } }],
];

describe.each([["float32"], ["float64"]] as const)("in %s", (dtype) => {
  test.each(branches)("recomputing none, some or all layers changes no gradient %s", async (_, branch) => {
    const groups = mixedGroups();
    const stored = await tinyPolicy({ dtype }, 1, deep);
    const { oldLogProbs, refLogProbs, augLogProbs } = await nearLogProbs(stored, groups, { dtype });
    const inputs = { oldLogProbs, refLogProbs, ...(branch.recompute ? branch : { augLogProbs }) };
    const start = await present();
    const expected = await update(stored, groups, fullSpec, inputs);
    const most = expected.report.predictedPeakBytes - start;
    const policy = await tinyPolicy({ dtype, checkpointActivations: "auto" }, 1, deep);
    const seen = new Set<string>();
    for (let share = 0; share < 1; share += 0.02) {
      const live = await present();
      native.setMemoryLimit(live + (1 - share) * most);
      const again = await update(policy, groups, fullSpec, inputs).catch((error: unknown) => error);
      native.setMemoryLimit(null);
      if (again instanceof Error) break;
      const { report, gradient } = again as typeof expected;
      seen.add(`${report.recomputedLayers}, ${report.recomputedBlocks}`);
      expect(metricDifference(report, expected.report)).toBe(0);
      expect(gradientDifference(gradient, expected.gradient)).toBe(0);
    }
    expect(seen.size).toBeGreaterThan(4);
  });
});

/** What the tiny model's three groups take in an update: 5 + 13 + 15 prompt rows and 15 of responses. */
function work(): UpdateWork {
  const rows = mixedGroups().reduce((sum, group) => {
    return group.responses.reduce((all, { length }) => all + Math.max(0, length - 1), sum + group.prompt.ids.length);
  }, 0);
  return {
    ...{ dtype: "float32", device: "cpu", freezeVisionTower: false, formsGradient: true },
    ...{ rows, patches: 24 + 36 + 16, predicting: 18, head: 22, largestPass: 1 },
    ...{ recomputed: { layers: 0, blocks: 0 }, available: 0 },
  };
}

test("auto recomputes nothing where there is room, what it must where there is little, and less is an error", async () => {
  const groups = mixedGroups();
  const policy = await tinyPolicy({ checkpointActivations: "auto" }, 1, deep);
  const everything = { layers: 5, blocks: 4 };
  const needed = native.updateMemory(deep, { ...work(), recomputed: everything }).update;
  const run = async (bytes: number | null) => {
    native.setMemoryLimit(bytes === null ? null : (await present()) + Math.ceil(bytes));
    return await native.forwardBackward(policy, batchOf(groups), plainSpec, inputsFor(groups));
  };
  expect(await run(null)).toMatchObject({ recomputedLayers: 0, recomputedBlocks: 0 });
  // All blocks, and two layers: with more of them the tower itself, as it runs, is what takes most.
  expect(await run(needed)).toMatchObject({ recomputedLayers: 2, recomputedBlocks: 4 });
  await expect(run(needed - 1000)).rejects.toMatchObject({ code: "E_OOM", op: "forward_backward" });
  await expect(run(needed / 2)).rejects.toThrow(
    /a micro-batch of \d+ rows and 76 patches needs \d+\.\d MiB with every layer recomputed, and \d+\.\d MiB are free: lower optim\.microBatchTokens, or set model\.activationCheckpoint=true/u,
  );
  // What is set is done, whatever the model says.
  const set = await tinyPolicy({ checkpointActivations: true }, 1, deep);
  native.setMemoryLimit(1);
  const report = await native.forwardBackward(set, batchOf(groups), plainSpec, inputsFor(groups));
  expect(report).toMatchObject({ recomputedLayers: 5, recomputedBlocks: 4 });
});

test("each micro-batch is chosen for: what one lacks room for is none of a smaller one's", async () => {
  const groups = mixedGroups();
  const policy = await tinyPolicy({ checkpointActivations: "auto" }, 1, deep);
  const run = async (maxTokens: number) => {
    native.setMemoryLimit(limit);
    return await native.forwardBackward(policy, batchOf(groups), plainSpec, inputsFor(groups, { maxTokens }));
  };
  const whole = native.updateMemory(deep, work()).update;
  const limit = (await present()) + Math.ceil(whole / 1.2);
  expect((await run(4096)).recomputedBlocks).toBeGreaterThan(0);
  expect(await run(1)).toMatchObject({ recomputedLayers: 0, recomputedBlocks: 0 });
});

test("the limit bounds the rollout's cache too", async () => {
  const policy = await tinyPolicy();
  native.setMemoryLimit(await present());
  const spec = {
    ...{ temperature: 1, topP: 1, topK: -1, n: 1, maxTokens: 20, stopIds: [], forbiddenIds: [] },
    ...{ seed: 1, purpose: 0, step: 0, maxConcurrent: 4 },
  };
  await expect(native.generate(policy, [prompt("p", [1, 2, 3])], spec)).rejects.toMatchObject({ code: "E_OOM" });
  native.setMemoryLimit(null);
  expect(await native.generate(policy, [prompt("p", [1, 2, 3])], spec)).toHaveLength(1);
  expect(() => {
    native.setMemoryLimit(0);
  }).toThrow("expected 1 or more bytes, or null");
});

test("one decoder layer more that runs again saves what it keeps but for its input", () => {
  const sizes = { ...tinyConfig, text: { ...tinyConfig.text, numLayers: 40 } };
  const given = { dtype: "bfloat16", device: "cuda", freezeVisionTower: true, formsGradient: true } as const;
  const update = (layers: number) =>
    native.updateMemory(sizes, {
      ...given,
      ...{
        rows: 1000,
        patches: 0,
        predicting: 1000,
        head: 1000,
        largestPass: 1,
        available: 0,
        recomputed: { layers, blocks: 0 },
      },
    }).update;
  // 2 bytes x (normed, heads' 2 + 2 x 1 of 16, attended 2 of 16; middle, normed, gate, up, hidden) and 4 bytes x (rstd
  // twice, lse of 2 heads)
  expect(update(7) - update(8)).toBe(1000 * (2 * (32 + 64 + 32 + 32 + 32 + 3 * 48) + 4 * (2 + 2)));
});
