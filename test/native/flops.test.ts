// What the native core counts against the plan's model of it (lib/plan/flops.ts, step-flops.ts), phase by phase.
import { beforeEach, describe, expect, test } from "vitest";
import type {
  FlopCounts,
  GenerateSpec,
  GroupInput,
  LossSpec,
  MaskedView,
  PolicyOptions,
  UpdateInputs,
} from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { passFlops, visionFlops } from "../../lib/plan/flops.ts";
import type { GroupShape, PassFlops } from "../../lib/plan/flops.ts";
import { decodeFlops, prefillFlops, stepFlops, unshared, updateFlops } from "../../lib/plan/step-flops.ts";
import { kernelDevice } from "../support/kernel-device.ts";
import { fullSpec, plainSpec } from "../support/objective.ts";
import {
  batchOf,
  inputsFor,
  keep,
  maskedView,
  mixedGroups,
  nearLogProbs,
  nearPolicy,
  picture,
  prompt,
  response,
  score,
  tinyConfig,
  tinyPolicy,
} from "../support/tiny-policy.ts";

const native = loadNative();

/** A picture beyond a window, no picture, two pictures; lengths of 1, 2 and 37; several responses and one. */
function groups(): GroupInput[] {
  return [
    { prompt: prompt("large", [3, picture(5, 168, 252), 9]), responses: [1, 37, 2].map(response) },
    { prompt: prompt("text", [11, 12, 13, 14, 15, 16, 17]), responses: [response(7, 4)] },
    { prompt: prompt("two", [picture(6, 84, 84), 21, picture(7, 56, 140)]), responses: [1, 1].map(response) },
  ];
}

function shapes(of: readonly GroupInput[]): GroupShape[] {
  return of.map(({ prompt: { ids, images }, responses }) => ({
    promptTokens: ids.length,
    grids: images.map((image) => native.imageInfo(image).gridThw),
    responseLengths: responses.map(({ length }) => length),
  }));
}

function expectCounted(counted: FlopCounts, ...passes: readonly PassFlops[]): void {
  const sum = (part: (pass: PassFlops) => number) => passes.reduce((total, pass) => total + part(pass), 0);
  const modelled: FlopCounts = {
    vision: sum(visionFlops),
    body: sum(({ body }) => body),
    attention: sum(({ attention }) => attention),
    head: sum(({ head }) => head),
  };
  expect(Object.keys(counted)).toEqual(Object.keys(modelled));
  for (const phase of ["vision", "body", "attention", "head"] as const) {
    if (modelled[phase] === 0) expect(counted[phase], phase).toBe(0);
    else expect(counted[phase] / modelled[phase], phase).toBeCloseTo(1, 6);
  }
}

/** Run again in the backward pass. */
const nothing = { layers: 0, blocks: 0 };

beforeEach(async () => {
  await native.takeFlops();
});

test("a scoring pass of several groups costs what the model says, whatever the type of the weights", async () => {
  for (const dtype of ["float32", "bfloat16"] as const) {
    const policy = await tinyPolicy({ dtype });
    await score(policy, batchOf(groups()));
    expectCounted(await native.takeFlops(), passFlops(tinyConfig, shapes(groups())));
    // a mask a response: each with a prompt of its own
    await score(policy, batchOf(groups()), { view: { ...maskedView, perResponse: true } });
    expectCounted(await native.takeFlops(), passFlops(tinyConfig, unshared(shapes(groups()))));
  }
});

test("counts begin anew when they are taken", async () => {
  await score(await tinyPolicy(), batchOf(groups()));
  await native.takeFlops();
  expect(await native.takeFlops()).toEqual({ vision: 0, body: 0, attention: 0, head: 0 });
});

const updates: readonly (readonly [string, LossSpec, Partial<PolicyOptions>, 3 | 4])[] = [
  ["with stored activations", fullSpec, {}, 3],
  ["with recomputed activations", fullSpec, { checkpointActivations: true }, 3],
  ["in bfloat16", fullSpec, { dtype: "bfloat16", checkpointActivations: true }, 3],
  ["without a vision gradient", fullSpec, { freezeVisionTower: true }, 3],
  ["of GSPO", { ...plainSpec, policyLoss: "gspo" }, {}, 4],
  ["with entropies over the vocabulary", { ...fullSpec, entropy: "full", augEntropyCoef: 0 }, {}, 4],
  ["by a part of the tokens", { ...fullSpec, klPrcp: { coef: 0.1, estimator: "k3", tokenTopP: 0.5 } }, {}, 4],
];

describe.each(updates)("an update %s", (_, spec, options, headProducts) => {
  test("costs its forward pass and what a backward pass adds", async () => {
    const policy = await tinyPolicy(options);
    const inputs = await nearLogProbs(policy, groups(), options);
    await native.takeFlops();
    await native.forwardBackward(policy, batchOf(groups()), spec, inputsFor(groups(), inputs));
    const costs = {
      recompute: options.checkpointActivations === true ? { layers: 1, blocks: 1 } : nothing,
      freezeVisionTower: options.freezeVisionTower === true,
      headProducts,
    };
    expectCounted(await native.takeFlops(), updateFlops(passFlops(tinyConfig, shapes(groups())), costs));
  });
});

test.each([false, true])("an update with a trained masked branch costs two, a mask a response: %s", async (each) => {
  const policy = await tinyPolicy();
  const { oldLogProbs, refLogProbs } = await nearLogProbs(policy, groups(), {});
  const inputs: Partial<UpdateInputs> = { oldLogProbs, refLogProbs, recompute: { ...maskedView, perResponse: each } };
  await native.takeFlops();
  await native.forwardBackward(policy, batchOf(groups()), fullSpec, inputsFor(groups(), inputs));
  const costs = { recompute: nothing, freezeVisionTower: false, headProducts: 4 } as const;
  const masked = each ? unshared(shapes(groups())) : shapes(groups());
  expectCounted(
    await native.takeFlops(),
    updateFlops(passFlops(tinyConfig, shapes(groups())), costs),
    updateFlops(passFlops(tinyConfig, masked), costs),
  );
});

test("KLs over the vocabulary cost the head's products again, and a pass of the reference", async () => {
  const policy = await tinyPolicy();
  const reference = await tinyPolicy({ trained: false }, 2);
  const { oldLogProbs } = await nearLogProbs(policy, groups(), {});
  const spec: LossSpec = {
    ...plainSpec,
    klRef: { coef: 0.1, estimator: "full" },
    klPrcp: { coef: 0.1, estimator: "full" },
  };
  await native.takeFlops();
  const inputs = inputsFor(groups(), { oldLogProbs, reference, recompute: maskedView });
  await native.forwardBackward(policy, batchOf(groups()), spec, inputs);
  const forward = passFlops(tinyConfig, shapes(groups()));
  // The plain branch 12 (log-probs and both KLs), the masked one 5 (log-probs without gradient), the reference 2.
  const update = (products: number) =>
    updateFlops(forward, { recompute: nothing, freezeVisionTower: false, headProducts: products });
  expectCounted(await native.takeFlops(), update(12), update(5), { ...forward, head: 2 * forward.head });
});

const rolloutSpec = (n: number, maxTokens: number): GenerateSpec => ({
  ...{ temperature: 1, topP: 1, topK: -1, n, maxTokens, stopIds: [7], forbiddenIds: [] },
  ...{ seed: 1, purpose: 0, step: 0, maxConcurrent: 4 },
});

test.each([
  [1, 1],
  [1, 37],
  [3, 1],
  [5, 70], // beyond a page of the cache
])("a rollout of %i responses of %i tokens costs its prefill and its decoding", async (n, maxTokens) => {
  const policy = await tinyPolicy();
  const prompts = groups().map((group) => group.prompt);
  await native.takeFlops();
  const sampled = await native.generate(policy, prompts, rolloutSpec(n, maxTokens));
  const counted = await native.takeFlops();
  const ran = prompts.map((prompt, index) => ({ prompt, responses: (sampled[index] ?? []).map(({ ids }) => ids) }));
  expectCounted(counted, prefillFlops(tinyConfig, shapes(ran)), decodeFlops(tinyConfig, shapes(ran)));
});

/** Passes of a step over groups of sampled responses, with two epochs of one update each. */
const steps: readonly (readonly [string, boolean, "scored" | "trained", boolean])[] = [
  ["a trained tower", false, "scored", false],
  ["a frozen tower", true, "scored", false],
  ["a frozen tower and masked pictures for each response", true, "scored", true],
  ["a frozen tower and a trained masked branch", true, "trained", false],
  ["a frozen tower and a trained masked branch for each response", true, "trained", true],
  ["a trained tower and a trained masked branch", false, "trained", false],
];
test.each(steps)("a step with %s costs what the plan says of its passes", async (_, frozen, aug, perResponse) => {
  const policy = await tinyPolicy({ freezeVisionTower: frozen });
  const reference = await nearPolicy({}, frozen ? 0 : 0.03, 2);
  expect(await native.shareVisionTower(reference, policy)).toBe(frozen);
  const prompts = groups().map((group) => group.prompt);
  const view: MaskedView = { ...maskedView, perResponse };
  await native.takeFlops();
  const sampled = await native.generate(policy, prompts, rolloutSpec(3, 7));
  const rollout = await native.takeFlops();
  const ran = prompts.map((prompt, index) => ({ prompt, responses: (sampled[index] ?? []).map(({ ids }) => ids) }));
  const batch = batchOf(ran);
  const counts = async <T>(call: () => Promise<T>): Promise<readonly [T, FlopCounts]> => {
    const value = await call();
    return [value, await native.takeFlops()];
  };
  const [oldLogProbs, old] = await counts(() => score(policy, batch, { firstGroup: 0 }));
  const [refLogProbs, ref] = await counts(() => score(reference, batch));
  const scored = aug === "scored" ? await counts(() => score(policy, batch, { view })) : undefined;
  const masked = scored ? { augLogProbs: scored[0] } : { recompute: view };
  const inputs = inputsFor(ran, { oldLogProbs, refLogProbs, ...masked });
  const epoch = () => native.forwardBackward(policy, batch, fullSpec, inputs);
  const [, update] = await counts(async () => [await epoch(), await epoch()]);
  const modelled = stepFlops(tinyConfig, shapes(ran), {
    ...{ oldFrom: 0, ref: "scored", aug, augPerResponse: perResponse, epochs: 2 },
    update: { recompute: nothing, freezeVisionTower: frozen, headProducts: aug === "trained" ? 4 : 3 },
  });
  expectCounted(rollout, modelled.prefill, modelled.decode);
  expectCounted(old, modelled.old);
  expectCounted(ref, modelled.ref);
  if (scored) expectCounted(scored[1], modelled.aug);
  expectCounted(update, modelled.update);
});

test("the kernels' way counts the same as the CPU's", async () => {
  const small = mixedGroups().slice(1); // without an empty response
  const policy = await tinyPolicy({ device: kernelDevice });
  const batch = batchOf(small);
  await native.takeFlops();
  const augLogProbs = await score(policy, batch);
  expectCounted(await native.takeFlops(), passFlops(tinyConfig, shapes(small)));
  const spec: LossSpec = { ...plainSpec, klPrcp: { coef: 0.1, estimator: "k3" } };
  await native.forwardBackward(policy, batch, spec, inputsFor(small, { augLogProbs }));
  const costs = { recompute: nothing, freezeVisionTower: false, headProducts: 3 } as const;
  expectCounted(await native.takeFlops(), updateFlops(passFlops(tinyConfig, shapes(small)), costs));
});

test("a rollout by the kernels counts the same as one on the CPU", async () => {
  // heads of 64 numbers, which the device's decode attention takes
  const config = { ...tinyConfig, text: { ...tinyConfig.text, headSize: 64, mropeSection: [8, 12, 12] as const } };
  const options = { dtype: "float32", trained: false, freezeVisionTower: false, checkpointActivations: false } as const;
  const policy = keep(await native.createPolicy(config, { ...options, device: kernelDevice }));
  await native.initializeWeights(policy, 3);
  const prompts = mixedGroups().map((group) => group.prompt);
  await native.takeFlops();
  const sampled = await native.generate(policy, prompts, rolloutSpec(2, 7));
  const ran = prompts.map((prompt, index) => ({ prompt, responses: (sampled[index] ?? []).map(({ ids }) => ids) }));
  expectCounted(await native.takeFlops(), prefillFlops(config, shapes(ran)), decodeFlops(config, shapes(ran)));
});

test("both views in one packed pass cost a pass each", async () => {
  const policy = await tinyPolicy();
  await native.takeFlops();
  const scored = await native.computePlainAndMasked(policy, batchOf(groups()), {
    ...{ temperature: 1, entropy: false, maxTokens: 4096, view: maskedView, firstGroup: 1 },
  });
  native.dispose(scored.plain);
  native.dispose(scored.masked);
  const [all, later] = [shapes(groups()), shapes(groups()).slice(1)];
  expectCounted(await native.takeFlops(), passFlops(tinyConfig, all), passFlops(tinyConfig, later));
});

test("groups that share no pictures and one with empty responses add up", async () => {
  const mixed = mixedGroups();
  await score(await tinyPolicy(), batchOf(mixed));
  expectCounted(await native.takeFlops(), passFlops(tinyConfig, shapes(mixed)));
});

test("the machine's rates are positive and are not counted as arithmetic", async () => {
  expect(await native.productRate()).toBeGreaterThan(1e8);
  expect(await native.memoryRate()).toBeGreaterThan(1e8);
  expect(await native.takeFlops()).toMatchObject({ body: 0 });
});
