import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { addFlops, groupFlops, passFlops, totalFlops, visionFlops, visionPassFlops } from "../../lib/plan/flops.ts";
import type { GroupShape } from "../../lib/plan/flops.ts";
import { publishedModelSizes } from "../../lib/plan/model-sizes.ts";
import { everyRowFlops } from "../../lib/plan/published.ts";
import {
  decodeFlops,
  headProducts,
  papoPasses,
  prefillFlops,
  stepFlops,
  unshared,
  updateFlops,
} from "../../lib/plan/step-flops.ts";
import type { StepFlops } from "../../lib/plan/step-flops.ts";
import { numWeights } from "../../lib/plan/weights.ts";
import type { ModelSizes } from "../../lib/plan/weights.ts";

const model3b = publishedModelSizes("Qwen/Qwen2.5-VL-3B-Instruct");
const model7b = publishedModelSizes("Qwen/Qwen2.5-VL-7B-Instruct");
const tera = 1e12;

/** 1200 prompt tokens, of which 1000 are one picture's (50 x 80 patches), and 5 responses of 500. */
const group: GroupShape = {
  promptTokens: 1200,
  grids: [[1, 50, 80]],
  responseLengths: [500, 500, 500, 500, 500],
};

/** Small enough for arithmetic by hand. */
const tiny: ModelSizes = {
  text: {
    ...{ hiddenSize: 8, intermediateSize: 10, numLayers: 3, numHeads: 2, numKvHeads: 1, headSize: 4, vocabSize: 11 },
    ...{ rmsNormEps: 1e-6, ropeTheta: 1e6, mropeSection: [1, 1, 0], tieWordEmbeddings: true },
  },
  vision: {
    ...{ depth: 2, hiddenSize: 4, numHeads: 1, intermediateSize: 5, outHiddenSize: 8, patchSize: 2 },
    ...{ temporalPatchSize: 1, spatialMergeSize: 2, windowSize: 8, inChannels: 3, tokensPerSecond: 2 },
    fullattBlockIndexes: [1],
  },
};

/** Run again in the backward pass. */
const nothing = { layers: 0, blocks: 0 };

test("a tiny group's arithmetic is that of its products and its visible pairs, counted one by one", () => {
  const flops = groupFlops(tiny, { promptTokens: 7, grids: [[1, 4, 6]], responseLengths: [3, 1, 0] });
  // 24 patches of 12 numbers to 4
  expect(flops.patchEmbed).toBe(2 * 24 * 12 * 4);
  // a block: qkv 4 x 12, proj 4 x 4, gate and up 4 x 10, down 5 x 4 = 124 weights; 2 blocks
  expect(flops.visionLinear).toBe(2 * 24 * 2 * 124);
  // windows of 4 x 4 patches over 4 x 6: 16 and 8 tokens, so 16^2 + 8^2 pairs; the full block sees 24^2; 4 E = 16
  expect(flops.visionAttention).toBe(16 * (320 + 576));
  // 6 units of 16 numbers: 16 x 16 and 16 x 8
  expect(flops.merger).toBe(2 * 6 * (256 + 128));
  // 7 prompt rows and 2 of the response of 3; a layer: q 64, k and v 32 each, o 64, three of 80 = 432 weights
  // in the last layer only 3 rows go on to o and the three of 80 = 304: the prompt's last and the response's
  expect(flops.body).toBe(2 * (9 * 3 * 432 - 6 * 304));
  // prompt 7 * 8 / 2 = 28 pairs; response rows see 8 and 9 keys; 4 E H = 32, 3 layers
  expect(flops.attention).toBe(32 * 3 * (28 + 8 + 9));
  // 3 + 1 predicted tokens
  expect(flops.head).toBe(2 * 4 * 11 * 8);
});

test("frames of a video see only themselves, and a text-only group has no vision", () => {
  const two = visionPassFlops(tiny.vision, [[2, 4, 6]]);
  const one = visionPassFlops(tiny.vision, [[1, 4, 6]]);
  expect(two.visionAttention).toBe(2 * one.visionAttention);
  expect(visionFlops(groupFlops(tiny, { promptTokens: 7, grids: [], responseLengths: [1] }))).toBe(0);
});

test("prefill and decoding are a pass without the head rows that responses share", () => {
  const pass = groupFlops(tiny, { promptTokens: 7, grids: [[1, 4, 6]], responseLengths: [37, 1, 11] });
  const shape = [{ promptTokens: 7, grids: [[1, 4, 6]] as const, responseLengths: [37, 1, 11] }];
  const [prefill, decode] = [prefillFlops(tiny, shape), decodeFlops(tiny, shape)];
  expect(prefill.body + decode.body).toBe(pass.body);
  expect(prefill.attention + decode.attention).toBe(pass.attention);
  // a pass has one head row a predicted token; here the three first tokens come from one
  expect(prefill.head + decode.head).toBe(pass.head - 2 * (2 * 11 * 8));
});

test("an update is 3 forwards with stored activations and 4 with recomputed ones, part by part", () => {
  const ones = { patchEmbed: 1, visionLinear: 1, visionAttention: 1, merger: 1, body: 1, attention: 1, head: 1 };
  const costs = { recompute: nothing, freezeVisionTower: false, headProducts: 3 } as const;
  // pixels need no gradient
  expect(updateFlops(ones, costs)).toEqual({
    ...{ patchEmbed: 2, visionLinear: 3, visionAttention: 3, merger: 3 },
    ...{ body: 3, attention: 3, head: 3 },
  });
  // merger and patch embedding are not run again (native/model/qwen2_5_vl/vision.cc)
  expect(updateFlops(ones, { ...costs, recompute: { layers: 1, blocks: 1 }, headProducts: 4 })).toEqual({
    ...{ patchEmbed: 2, visionLinear: 4, visionAttention: 4, merger: 3 },
    ...{ body: 4, attention: 4, head: 4 },
  });
  const half = updateFlops(ones, { ...costs, recompute: { layers: 0.5, blocks: 0.25 } });
  expect(half).toMatchObject({ body: 3.5, attention: 3.5, visionLinear: 3.25, merger: 3, head: 3 });
  expect(
    visionFlops(updateFlops(ones, { ...costs, recompute: { layers: 1, blocks: 1 }, freezeVisionTower: true })),
  ).toBe(4);
});

test("the published models have the hub's numbers of weights", () => {
  const total = (name: string) => {
    const { vision, language } = numWeights(publishedModelSizes(name));
    return (vision + language) / 1e9;
  };
  // 3B: total_size 7,509,245,952 bytes of bfloat16 in model.safetensors.index.json; 7B: 16,584,333,312
  expect(total("Qwen2.5-VL-3B-Instruct")).toBe(7_509_245_952 / 2e9);
  expect(total("Qwen/Qwen2.5-VL-7B-Instruct")).toBe(16_584_333_312 / 2e9);
  expect(total("Qwen2.5-VL-32B")).toBeCloseTo(33.45, 1);
  expect(total("Qwen2.5-VL-72B-Instruct")).toBeCloseTo(73.41, 1);
});

/** Whether a count is a stated one, which is rounded: within 0.5 %. */
function expectStated(count: number, stated: number): void {
  expect(Math.abs(count / stated - 1), `${count} against ${stated}`).toBeLessThan(0.005);
}

test("a picture of 1000 tokens and a prompt of 1200 cost the terms worked out one by one", () => {
  const vision = visionPassFlops(model3b.vision, group.grids);
  // 2 * 4000 patches * 32 blocks * (4 * 1280^2 + 3 * 1280 * 3420) = 5.04; merger 2 * 1000 * 5120 * 7168 = 0.07
  expectStated(vision.visionLinear + vision.patchEmbed + vision.merger, 5.13 * tera);
  expectStated(vision.patchEmbed, 12.04e9); // 2 * 4000 * 1176 * 1280
  // 28 window layers over windows of 64 patches, 4 full layers over 4000^2 pairs
  expectStated(vision.visionAttention, (0.0363 + 0.3277) * tera);
  expectStated(visionFlops(groupFlops(model3b, group)), 5.49 * tera);
  expectStated(visionFlops(groupFlops(model7b, group)), 5.51 * tera);
  const prefill = (model: ModelSizes) => {
    const flops = prefillFlops(model, [group]);
    return flops.body + flops.attention;
  };
  // without the last layer's o and MLP of 1199 rows: 6.87 - 0.17 and 15.95 - 0.52
  expectStated(prefill(model3b), 6.7 * tera);
  expectStated(prefill(model7b), 15.43 * tera);
});

test("a shared group costs 28.7 and 57.7 TF, an unshared one with the head on every row 82.0 and 150.6", () => {
  // 28.9 and 58.3 with every row in the last layer
  expectStated(totalFlops(groupFlops(model3b, group)), 28.66 * tera);
  expectStated(totalFlops(groupFlops(model7b, group)), 57.68 * tera);
  expectStated(totalFlops(everyRowFlops(model3b, [group])), 82.0 * tera);
  expectStated(totalFlops(everyRowFlops(model7b, [group])), 150.6 * tera);
});

test("the training passes of the published 3B recipe are 60.9 PF shared, 221 PF in the published system", () => {
  const run = loadRunConfig(["qwen2_5_vl_3b_grpo_papo"]);
  const groups = Array.from({ length: run.data.rolloutBatchSize }, () => group);
  const passes = papoPasses(run, groups.length, nothing);
  expect(passes).toMatchObject({ oldFrom: 128, ref: "scored", aug: "scored", epochs: 1, update: { headProducts: 3 } });
  const { old, ref, aug, update } = stepFlops(model3b, groups, passes);
  // 28.66 TF * 384 = 11.0 PF a pass: 2/3 + 1 + 1 + 3 passes, less the pixels' gradient, and the old ones less the
  // tower, whose 5.49 TF a picture the rollout has done
  expectStated(totalFlops(old), (2 / 3) * (28.66 - 5.49) * tera * 384);
  expectStated(totalFlops(addFlops([old, ref, aug, update])), 60.9 * 1e15);
  // 7 passes of 82.0 TF * 384
  expectStated(7 * totalFlops(everyRowFlops(model3b, groups)), 220.5 * 1e15);
});

test("passes follow the run: no reference without its KL, a trained masked branch, masks for each response", () => {
  const groups = Array.from({ length: 6 }, () => ({
    promptTokens: 7,
    grids: [[1, 4, 6]] as const,
    responseLengths: [3, 5],
  }));
  const passesOf = (...overrides: string[]) =>
    papoPasses(loadRunConfig(["qwen2_5_vl_3b_grpo_papo", ...overrides]), 6, nothing);
  const flopsOf = (...overrides: string[]) =>
    stepFlops(tiny, groups, passesOf("optim.globalBatchSize=3", "data.rolloutBatchSize=6", ...overrides));
  const plain = flopsOf();
  const forward = totalFlops(passFlops(tiny, groups));
  const tower = visionFlops(passFlops(tiny, groups));
  expect(totalFlops(plain.old)).toBe((forward - tower) / 2);
  expect(totalFlops(plain.ref)).toBe(forward);
  expect(totalFlops(flopsOf("algorithm.klRef.mode=off").ref)).toBe(0);
  expect(totalFlops(flopsOf("algorithm.klRef.mode=reward").old)).toBe(forward - tower);
  expect(totalFlops(flopsOf("optim.globalBatchSize=6").old)).toBe(0);
  expect(totalFlops(flopsOf("algorithm.epochs=2").old)).toBe(forward - tower);
  expect(totalFlops(flopsOf("algorithm.epochs=2", "algorithm.oldLogProbs=rollout").old)).toBe(0);
  expect(totalFlops(flopsOf("algorithm.epochs=2").update)).toBe(2 * totalFlops(plain.update));
  const beside = flopsOf("algorithm.klRef.estimator=full", "algorithm.epochs=2").ref;
  expect(totalFlops(beside)).toBe(2 * (forward + passFlops(tiny, groups).head));
  const trained = flopsOf("aug.grad=recompute");
  expect(totalFlops(trained.aug)).toBe(0);
  // two branches, whose logits are formed again in the backward pass: a fourth product of the head
  const head = passFlops(tiny, groups).head;
  expect(totalFlops(trained.update)).toBe(2 * (totalFlops(plain.update) + head));
  // one masked picture, and one copy of the prompt, a response
  expect(flopsOf("aug.per=response").aug).toEqual(passFlops(tiny, unshared(groups)));
  expect(visionFlops(flopsOf("aug.per=response").aug)).toBe(2 * visionFlops(plain.aug));
  // a frozen tower sees the plain pictures in the rollout and the masked ones once
  const frozen = "model.freezeVisionTower=true";
  const towerRuns = ({ old, ref, aug, update }: StepFlops) => visionFlops(addFlops([old, ref, aug, update])) / tower;
  expect(towerRuns(flopsOf(frozen))).toBe(1);
  expect(towerRuns(flopsOf(frozen, "aug.grad=recompute", "algorithm.epochs=3"))).toBe(1);
  expect(towerRuns(flopsOf(frozen, "aug.grad=recompute", "aug.per=response"))).toBe(2);
});

test("logits are formed once more where the loss at a token needs other tokens, or the whole distribution", () => {
  const products = (...overrides: string[]) => {
    const { algorithm } = loadRunConfig(["qwen2_5_vl_3b_grpo_papo", ...overrides]);
    return [headProducts(algorithm, false), headProducts(algorithm, true)];
  };
  expect(products()).toEqual([3, 4]);
  expect(products("algorithm.policyLoss=gspo")).toEqual([4, 4]);
  expect(products("algorithm.entropy.kind=full", "algorithm.entropy.oriCoef=0.03")).toEqual([4, 4]);
  expect(products("algorithm.klPrcp.tokenTopP=0.5")).toEqual([4, 4]);
  // log-probs 4, without gradient 1, a KL 4: of the plain branch with the reference, of both with each other
  expect(products("algorithm.klRef.estimator=full")).toEqual([8, (8 + 4) / 2]);
  const perceives = ["algorithm.klPrcp.estimator=full", "aug.grad=recompute"];
  expect(products(...perceives)[1]).toBe((8 + 5) / 2);
  expect(products(...perceives, "algorithm.entropy.augCoef=0.03")[1]).toBe(8);
});
