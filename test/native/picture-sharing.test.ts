// A picture goes through the vision tower once for the weights that the tower has: who shares, when it ends, and that
// no number depends on it. "Fresh" handles of the same pictures have nothing kept with them.
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type {
  BatchHandle,
  GroupInput,
  ImageHandle,
  LossReport,
  MaskedView,
  PolicyHandle,
  PolicyOptions,
} from "../../lib/native/binding.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { visionFlops, visionPassFlops } from "../../lib/plan/flops.ts";
import type { GridThw } from "../../lib/plan/flops.ts";
import { planLoad } from "../../lib/policy/checkpoint-folder.ts";
import { kernelDevice } from "../support/kernel-device.ts";
import { fullSpec, testing } from "../support/objective.ts";
import {
  batchOf,
  gradientDifference,
  gradientOf,
  inputsFor,
  keep,
  logProbs,
  maskedView,
  nearLogProbs,
  picture,
  prompt,
  response,
  score,
  setWeight,
  tinyConfig,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();

/** A picture beyond a window; two pictures; none. Six responses. */
function groups(images: readonly ImageHandle[] = pictures()): GroupInput[] {
  const [large = fail(), square = fail(), wide = fail()] = images;
  return [
    { prompt: prompt("large", [3, large, 9]), responses: [1, 11, 2].map(response) },
    { prompt: prompt("two", [square, 21, wide]), responses: [response(5, 4), response(3, 5)] },
    { prompt: prompt("text", [11, 12, 13]), responses: [response(7, 6)] },
  ];
}
function pictures(): ImageHandle[] {
  return [picture(5, 168, 252), picture(6, 84, 84), picture(7, 56, 140)];
}
function fail(): never {
  throw new Error("a picture is missing");
}

const view: MaskedView = { ...maskedView, perResponse: false };
const perResponse: MaskedView = { ...maskedView, perResponse: true };
const adamw = { strategy: "adamw", beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 } as const;

function towerFlops(of: readonly GroupInput[]): number {
  const grids = of.flatMap(({ prompt: { images } }) => images.map((image): GridThw => native.imageInfo(image).gridThw));
  return visionFlops({ ...visionPassFlops(tinyConfig.vision, grids), body: 0, attention: 0, head: 0 });
}

/** How often the pictures of the groups went through the tower since the last call. */
async function towerRuns(of: readonly GroupInput[]): Promise<number> {
  return Number(((await native.takeFlops()).vision / towerFlops(of)).toFixed(6));
}

async function generate(policy: PolicyHandle, of: readonly GroupInput[]): Promise<void> {
  const prompts = of.map((group) => group.prompt);
  const sampling = { temperature: 1, topP: 1, topK: -1, n: 2, maxTokens: 3, stopIds: [], forbiddenIds: [] };
  await native.generate(policy, prompts, { ...sampling, seed: 1, purpose: 0, step: 0, maxConcurrent: 8 });
}

/** An optimizer step with the gradient of a small update. */
async function move(policy: PolicyHandle, options: Partial<PolicyOptions>): Promise<void> {
  const small = [{ prompt: prompt("small", [picture(9, 56, 56), 4]), responses: [response(3, 8)] }];
  await update(policy, small, fullSpec, await nearLogProbs(policy, small, options));
  const optimizer = keep(await native.createOptimizer(policy, adamw));
  expect((await native.optimizerStep(optimizer, policy, 1e-2, 1)).skipped).toBe(false);
  await native.takeFlops();
}

async function readFixture(policy: PolicyHandle): Promise<void> {
  const { files } = await planLoad(join(packageRoot, "lib/policy/fixture"), native.policyTensors(policy));
  for (const { path, entries } of files) await native.readPolicy(policy, path, entries);
}

beforeEach(async () => {
  await native.takeFlops();
});

test.each<Partial<PolicyOptions>>([{}, { freezeVisionTower: true }, { dtype: "bfloat16" }, { device: kernelDevice }])(
  "scoring takes the rollout's embeddings, and its log-probs are those of fresh pictures to the bit: %j",
  async (options) => {
    const policy = await tinyPolicy(options);
    const shared = groups();
    if (options.device === undefined) {
      await generate(policy, shared);
      expect(await towerRuns(shared)).toBe(1);
    } else {
      await logProbs(policy, shared); // this policy's heads are too small for a device's decoding
    }
    await native.takeFlops();
    const kept = await logProbs(policy, shared);
    expect(await towerRuns(shared)).toBe(0);
    expect(kept).toEqual(await logProbs(policy, groups()));
    expect(await towerRuns(shared)).toBe(1);
  },
);

test("a micro-batch's other pictures do not change a picture's embeddings", async () => {
  const policy = await tinyPolicy();
  const together = await logProbs(policy, groups(), { maxTokens: 4096 });
  const shared = groups();
  for (const group of shared) await logProbs(policy, [group]);
  expect(await logProbs(policy, shared, { maxTokens: 4096 })).toEqual(together);
});

describe("embeddings are of the weights that the tower has", () => {
  type Change = readonly [
    string,
    (policy: PolicyHandle, options: Partial<PolicyOptions>) => Promise<void>,
    Partial<PolicyOptions>,
  ];
  const changes: readonly Change[] = [
    ["an optimizer step", move, {}],
    ["an optimizer step by the kernels", move, { device: kernelDevice }],
    ["reading a checkpoint", readFixture, {}],
    ["another initialisation", (policy) => native.initializeWeights(policy, 77), {}],
    ["other values", (policy) => setWeight(policy, "visual.merger.mlp.2.bias", (index) => Math.cos(index)), {}],
  ];
  test.each(changes)("after %s they are computed anew", async (_, change, options) => {
    const policy = await tinyPolicy(options);
    const shared = groups();
    const before = await logProbs(policy, shared);
    await change(policy, options);
    await native.takeFlops();
    const after = await logProbs(policy, shared);
    expect(await towerRuns(shared)).toBe(1);
    expect(after).toEqual(await logProbs(policy, groups()));
    expect(after).not.toEqual(before);
  });

  test("a frozen tower's stay when the language model moves", async () => {
    const policy = await tinyPolicy({ freezeVisionTower: true });
    const shared = groups();
    const before = await logProbs(policy, shared);
    await move(policy, {});
    const after = await logProbs(policy, shared);
    expect(await towerRuns(shared)).toBe(0);
    expect(after).toEqual(await logProbs(policy, groups()));
    expect(after).not.toEqual(before);
  });

  test("another policy's are not taken", async () => {
    const [policy, other] = [await tinyPolicy({}, 1), await tinyPolicy({}, 2)];
    const shared = groups();
    await logProbs(policy, shared);
    expect(await logProbs(other, shared)).toEqual(await logProbs(other, groups()));
  });
});

describe("a reference", () => {
  test("with the policy's tower takes its embeddings, for as long as it has that tower", async () => {
    const [policy, reference] = [await tinyPolicy(), await tinyPolicy({ trained: false })];
    await setWeight(reference, "model.norm.weight", () => 0.5); // another language model
    expect(await native.shareVisionTower(reference, policy)).toBe(true);
    const shared = groups();
    await logProbs(policy, shared);
    await native.takeFlops();
    const scores = await logProbs(reference, shared);
    expect(await towerRuns(shared)).toBe(0);
    expect(scores).toEqual(await logProbs(reference, groups()));
    await move(policy, {});
    const later = groups();
    await logProbs(policy, later);
    await native.takeFlops();
    expect(await logProbs(reference, later)).toEqual(scores);
    expect(await towerRuns(later)).toBe(1);
  });

  test("with the tower of a policy that freezes it shares for ever", async () => {
    const policy = await tinyPolicy({ freezeVisionTower: true });
    const reference = await tinyPolicy({ trained: false });
    expect(await native.shareVisionTower(reference, policy)).toBe(true);
    await move(policy, {});
    const shared = groups();
    await logProbs(policy, shared);
    await native.takeFlops();
    expect(await logProbs(reference, shared)).toEqual(await logProbs(await tinyPolicy({ trained: false }), groups()));
    expect(await towerRuns(shared)).toBe(1); // the other reference's
  });

  test("with one number of another tower, another type or another device does not share", async () => {
    const policy = await tinyPolicy();
    const differs = await tinyPolicy({ trained: false });
    const name = "visual.blocks.1.attn.proj.bias";
    await setWeight(differs, name, (index) => (index === 7 ? 0.25 : 0.1 * Math.sin(index + 1)));
    expect(await native.shareVisionTower(differs, policy)).toBe(false);
    for (const options of [{ dtype: "bfloat16" }, { device: kernelDevice }] as const)
      expect(await native.shareVisionTower(await tinyPolicy({ ...options, trained: false }), policy)).toBe(false);
    const shared = groups();
    await logProbs(policy, shared);
    await native.takeFlops();
    await logProbs(differs, shared);
    expect(await towerRuns(shared)).toBe(1);
  });

  test("of its own keeps nothing, since no other pass would take it", async () => {
    const before = await testing.keptEmbedsBytes();
    await logProbs(await tinyPolicy({ trained: false }), groups());
    expect(await testing.keptEmbedsBytes()).toBe(before);
  });
});

/** A report but for what the process held beside. */
const computed = ({ report }: { readonly report: LossReport }) => ({ ...report, predictedPeakBytes: 0 });

describe("an update", () => {
  const frozen = { freezeVisionTower: true } as const;

  test("of a frozen tower takes the rollout's embeddings: the same gradient, to the bit, in every epoch", async () => {
    const policy = await tinyPolicy(frozen);
    const shared = groups();
    await generate(policy, shared);
    const scores = await nearLogProbs(policy, shared, frozen);
    await native.takeFlops();
    const kept = await update(policy, shared, fullSpec, scores);
    expect(await towerRuns(shared)).toBe(0);
    const fresh = await update(policy, groups(), fullSpec, scores);
    expect(await towerRuns(shared)).toBe(1);
    expect(computed(kept)).toEqual(computed(fresh));
    expect(gradientDifference(kept.gradient, fresh.gradient)).toBe(0);
  });

  test.each([
    ["shared", view],
    ["per response", perResponse],
  ])("with a trained masked branch, %s, encodes each masked picture once in all epochs", async (_, recompute) => {
    const policy = await tinyPolicy(frozen);
    const shared = groups();
    await generate(policy, shared);
    const { oldLogProbs, refLogProbs } = await nearLogProbs(policy, shared, frozen);
    const inputs = { oldLogProbs, refLogProbs, recompute };
    const masked = recompute.perResponse
      ? shared.flatMap((group) => group.responses.map(() => group)) // each response has its own
      : shared;
    await native.takeFlops();
    const first = await update(policy, shared, fullSpec, inputs);
    expect(await towerRuns(masked)).toBe(1);
    const second = await update(policy, shared, fullSpec, inputs);
    expect(await towerRuns(masked)).toBe(0);
    const fresh = await update(policy, groups(), fullSpec, inputs);
    for (const again of [first, second]) {
      expect(computed(again)).toEqual(computed(fresh));
      expect(gradientDifference(again.gradient, fresh.gradient)).toBe(0);
    }
  });

  test("of a trained tower runs it with its gradient, whatever was kept", async () => {
    const policy = await tinyPolicy();
    const shared = groups();
    await generate(policy, shared);
    const scores = await nearLogProbs(policy, shared, {});
    await native.takeFlops();
    const kept = await update(policy, shared, fullSpec, scores);
    const counted = (await native.takeFlops()).vision;
    const fresh = await update(policy, groups(), fullSpec, scores);
    expect((await native.takeFlops()).vision).toBe(counted);
    expect(counted / towerFlops(shared)).toBeGreaterThan(2);
    expect(gradientDifference(kept.gradient, fresh.gradient)).toBe(0);
    expect((await gradientOf(policy)).get("visual.patch_embed.proj.weight")?.some((value) => value !== 0)).toBe(true);
  });
});

describe("what is kept", () => {
  const bytes = 4 * tinyConfig.vision.outHiddenSize;
  const tokensOf = (image: ImageHandle) => native.imageInfo(image).gridThw.reduce((a, b) => a * b, 1) / 4;
  const tokensIn = (images: readonly ImageHandle[]) => images.map(tokensOf).reduce((a, b) => a + b, 0);

  async function keptBy(run: () => Promise<unknown>): Promise<number> {
    const before = await testing.keptEmbedsBytes();
    await run();
    return (await testing.keptEmbedsBytes()) - before;
  }
  const scored =
    (policy: PolicyHandle, batch: BatchHandle, options = {}) =>
    () =>
      score(policy, batch, options);

  test("is a row a merged token of each plain picture, and goes with the pictures", async () => {
    const policy = await tinyPolicy();
    const own = pictures();
    const batch = native.createBatch(groups(own));
    const tokens = tokensIn(own);
    expect(await keptBy(scored(policy, batch))).toBe(tokens * bytes);
    expect(await keptBy(scored(policy, batch))).toBe(0);
    expect(await keptBy(scored(policy, batch, { view }))).toBe(0); // no pass would take the masked ones
    const freed = await keptBy(async () => {
      native.dispose(batch);
      for (const image of own) native.dispose(image);
      await native.takeFlops();
    });
    expect(freed).toBe(-tokens * bytes);
  });

  test("is dropped before a trained tower's update and replaced when the tower has moved", async () => {
    const policy = await tinyPolicy();
    const own = pictures();
    const shared = groups(own);
    const tokens = tokensIn(own);
    const batch = batchOf(shared);
    const scores = await nearLogProbs(policy, shared, {});
    expect(await keptBy(scored(policy, batch))).toBe(tokens * bytes);
    expect(await keptBy(() => native.forwardBackward(policy, batch, fullSpec, inputsFor(shared, scores)))).toBe(
      -tokens * bytes,
    );
    expect(await keptBy(scored(policy, batch))).toBe(tokens * bytes);
    await setWeight(policy, "visual.merger.mlp.2.bias", () => 1);
    expect(await keptBy(scored(policy, batch))).toBe(0);
  });

  test("stays below its limit: the first pictures are kept, the others encoded again", async () => {
    const policy = await tinyPolicy();
    const own = pictures();
    const shared = groups(own);
    const large = tokensIn(own.slice(0, 1)) * bytes;
    const limit = 2 ** 30;
    onTestFinished(async () => {
      await testing.keptEmbedsBytes(limit);
    });
    await testing.keptEmbedsBytes((await testing.keptEmbedsBytes()) + large);
    const expected = await logProbs(policy, shared);
    await native.takeFlops();
    expect(await logProbs(policy, shared)).toEqual(expected);
    expect((await native.takeFlops()).vision).toBeCloseTo(towerFlops(shared.slice(1)), 0);
  });
});
