import { expect, test } from "vitest";
import { recipeNames, recipeTitle } from "../../lib/config/recipes.ts";
import { loadRunConfig } from "../../lib/config/load.ts";

// One row a recipe: model, advantage, gamma, eta 2, eta 1, beta, high clip, filter key. 0 is "off".
const table: Record<string, readonly [string, string, number, number, number, number, number, string]> = {
  qwen2_5_vl_3b_grpo: ["Qwen2.5-VL-3B-Instruct", "grpo", 0, 0, 0, 0.01, 0.3, ""],
  qwen2_5_vl_7b_grpo: ["Qwen2.5-VL-7B-Instruct", "grpo", 0, 0, 0, 0.01, 0.3, ""],
  qwen2_5_vl_3b_grpo_papo: ["Qwen2.5-VL-3B-Instruct", "grpo", 0.02, 0, 0, 0.01, 0.3, ""],
  qwen2_5_vl_7b_grpo_papo: ["Qwen2.5-VL-7B-Instruct", "grpo", 0.02, 0.05, 0.05, 0.01, 0.3, ""],
  qwen2_5_vl_3b_grpo_papo_no_kl_ref: ["Qwen2.5-VL-3B-Instruct", "grpo", 0.01, 0.03, 0.03, 0, 0.3, ""],
  qwen2_5_vl_7b_grpo_papo_no_kl_ref: ["Qwen2.5-VL-7B-Instruct", "grpo", 0.01, 0.03, 0.03, 0, 0.3, ""],
  qwen2_5_vl_3b_dapo: ["Qwen2.5-VL-3B-Instruct", "dapo", 0, 0, 0, 0, 0.28, "accuracy"],
  qwen2_5_vl_7b_dapo: ["Qwen2.5-VL-7B-Instruct", "dapo", 0, 0, 0, 0, 0.28, "accuracy"],
  qwen2_5_vl_3b_dapo_papo: ["Qwen2.5-VL-3B-Instruct", "dapo", 0.01, 0.03, 0.03, 0, 0.28, "accuracy"],
  qwen2_5_vl_7b_dapo_papo: ["Qwen2.5-VL-7B-Instruct", "dapo", 0.01, 0.03, 0.03, 0, 0.28, "accuracy"],
  qwen3_vl_2b_grpo: ["Qwen3-VL-2B-Thinking", "grpo", 0, 0, 0, 0.01, 0.3, ""],
  qwen3_vl_2b_grpo_papo: ["Qwen3-VL-2B-Thinking", "grpo", 0.01, 0, 0, 0.01, 0.3, ""],
};
const published = Object.keys(table);

test.each(published)("%s has the published method", (name) => {
  const { model, algorithm, aug } = loadRunConfig([name]);
  const { klRef, klPrcp, entropy, filter } = algorithm;
  expect([
    model.path.replace("Qwen/", ""),
    algorithm.advantage,
    klPrcp.enabled ? klPrcp.coef : 0,
    entropy.augCoef,
    entropy.oriCoef,
    klRef.mode === "off" ? 0 : klRef.coef,
    algorithm.clipRatioHigh,
    filter.enabled ? filter.key : "",
  ]).toEqual(table[name]);
  expect([algorithm.policyLoss, algorithm.clipRatioLow, algorithm.clipRatioDual]).toEqual(["ppo", 0.2, 3]);
  expect([algorithm.lossAvgMode, algorithm.epochs, algorithm.sft.coef]).toEqual(["token", 1, 0]);
  expect(aug).toEqual({
    grad: "none",
    strategy: "random",
    saliency: { model: null, layers: null, cache: null },
    mode: "raw",
    patchPx: 14,
    ratio: 0.6,
    exact: false,
    per: "prompt",
    fill: "black",
  });
  if (klPrcp.enabled) expect([klPrcp.estimator, klPrcp.schedule, klPrcp.applyMode]).toEqual(["k3", "fixed", "all"]);
  if (klRef.mode !== "off") expect([klRef.mode, klRef.estimator]).toEqual(["loss", "k3"]);
  if (filter.enabled) expect([filter.low, filter.high, filter.maxTries]).toEqual([0.01, 0.99, 20]);
});

test.each(published)("%s has the published sizes and schedule", (name) => {
  const { model, data, rollout, optim, trainer, reward, algorithm } = loadRunConfig([name]);
  const isDapo = algorithm.advantage === "dapo";
  const isQwen3 = name.startsWith("qwen3");
  expect(data).toMatchObject({
    train: "PAPOGalaxy/PAPO_ViRL39K_train",
    val: "PAPOGalaxy/PAPO_MMK12_test",
    promptKey: "problem",
    answerKey: "answer",
    imageKey: "images",
    videoKey: "videos",
    formatPrompt: "math_perception",
    maxPromptLength: 4096,
    maxResponseLength: 2048,
    rolloutBatchSize: 384,
    miniRolloutBatchSize: isDapo ? 128 : 384,
    valBatchSize: 1024,
    shuffle: true,
    minPixels: 200_704,
    maxPixels: 1_003_520,
    filterOverlongPrompts: true,
    exifRotate: false,
  });
  expect(rollout).toMatchObject({ n: 5, temperature: 1, topP: 0.99, topK: -1 });
  expect(rollout.val).toEqual({ n: 8, temperature: 1, topP: 0.99, topK: -1 });
  expect(reward).toMatchObject({ type: "math", formatWeight: 0.1, thinking: isQwen3, overlong: null });
  expect(model).toMatchObject({ dtype: "bfloat16", freezeVisionTower: false, activationCheckpoint: "auto" });
  expect(optim).toMatchObject({
    strategy: "adamw_bf16",
    lr: 1e-6,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0.01,
    warmupRatio: 0,
    schedule: "constant",
    maxGradNorm: 1,
    globalBatchSize: 128,
    microBatchSize: 4,
  });
  expect(trainer).toMatchObject({
    totalEpochs: 2,
    maxSteps: null,
    valFreq: isQwen3 ? -1 : 5,
    valBeforeTrain: true,
    saveFreq: 5,
    saveLimit: 3,
    experimentName: name,
  });
});

test("every recipe that weighs the masked entropy has a -recompute twin that differs in aug.grad alone", () => {
  const weighing = published.filter((name) => (table[name]?.[3] ?? 0) > 0);
  expect(weighing).toHaveLength(5);
  for (const name of weighing) {
    const original = loadRunConfig([name, "trainer.experimentName=same"]);
    const twin = loadRunConfig([`${name}-recompute`, "trainer.experimentName=same"]);
    expect({ ...twin, notes: 0 }).toEqual({ ...original, notes: 0, aug: { ...original.aug, grad: "recompute" } });
    expect(original.notes.withoutEffect.join("\n")).toContain("algorithm.entropy.augCoef");
    expect(twin.notes.withoutEffect.join("\n")).not.toContain("algorithm.entropy.augCoef");
  }
});

test("every shipped recipe loads, has a title, and base files are not listed", () => {
  const names = recipeNames();
  expect(names).toEqual(expect.arrayContaining(published));
  for (const name of names) {
    expect(name.startsWith("_")).toBe(false);
    expect(recipeTitle(name)).not.toBe("");
    expect(loadRunConfig([name]).trainer.experimentName).not.toBe("");
  }
});
