import { join } from "node:path";
import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { parseGpus } from "../../lib/plan/gpus.ts";
import { modelSizesOf, publishedSize } from "../../lib/plan/model-sizes.ts";
import { planRun } from "../../lib/plan/plan.ts";
import type { Plan, PlanOptions } from "../../lib/plan/plan.ts";
import { planText } from "../../lib/plan/print.ts";

async function planOf(words: readonly string[], gpus: string, options: Omit<PlanOptions, "gpus"> = {}): Promise<Plan> {
  return await planRun(loadRunConfig(words), { ...options, gpus: parseGpus(gpus) });
}

const papo3b = ["qwen2_5_vl_3b_grpo_papo"];
const bytesOf = ({ memory }: Plan, start: string) => memory.parts.find(({ name }) => name.startsWith(start))?.bytes;

test("resident memory follows from the number of weights, sharded where papo shards", async () => {
  const plan = await planOf(papo3b, "2xh100");
  const weights = 3_754_622_976; // as many as the hub's checkpoint has
  expect(bytesOf(plan, "weights")?.update).toBe(2 * weights);
  expect(bytesOf(plan, "gradients")?.rollout).toBe(4 * weights);
  expect(bytesOf(plan, "adamw_bf16")?.update).toBe((6 * weights) / 2);
  expect(bytesOf(plan, "reference")?.scoring).toBe((2 * weights) / 2);
  const frozen = await planOf([...papo3b, "model.freezeVisionTower=true", "optim.strategy=adamw"], "1xh100");
  const language = 3_085_938_688;
  expect(bytesOf(frozen, "gradients")?.update).toBe(4 * language);
  expect(bytesOf(frozen, "adamw")?.update).toBe(12 * language);
  const noReference = await planOf([...papo3b, "algorithm.klRef.mode=off"], "1xh100");
  expect(bytesOf(noReference, "reference")?.update).toBe(0);
});

test("stored activations are 3.3 MB a row of the 3B and 5.2 GB for a picture of 4000 patches", async () => {
  const stored = [...papo3b, "model.activationCheckpoint=false"];
  const perRow = async (image: number) => {
    const lengths = { promptTokens: 1200, imageTokens: image, responseTokens: 500 };
    const of = async (rows: number) =>
      bytesOf(await planOf([...stored, `optim.microBatchTokens=${rows}`], "1xh200", lengths), "activations")?.update ??
      0;
    return ((await of(16384)) - (await of(8192))) / 8192; // without what is the same for every size
  };
  // 36 layers x 2 bytes x (4 x 2048 + (2048 + 2 x 256) + 2048 + 3 x 11008), and about a hundredth around them
  const text = await perRow(0);
  expect(text / (36 * 2 * (8192 + 2560 + 2048 + 33024))).toBeCloseTo(1, 1);
  // 4000 patches in 3700 rows: 2 bytes x (1176 + 32 x (8 x 1280 + 3 x 3420))
  const picture = ((await perRow(1000)) - text) * 3700;
  expect(picture / (4000 * 2 * (1176 + 32 * 20_500))).toBeCloseTo(1, 1);
});

test("auto recomputes as little as the memory asks for", async () => {
  const recomputed = async (words: readonly string[], gpus: string) => {
    const { memory, fits } = await planOf([...papo3b, ...words], gpus);
    expect(fits).toBe(true);
    return memory;
  };
  const tight = await recomputed([], "2xh100");
  expect(tight.recomputed.layers).toBeGreaterThan(0);
  expect(tight.recomputed.layers).toBeLessThan(1);
  // one layer of 36 less would not fit: it keeps 1.5 GB for 16384 rows
  expect(tight.capacityBytes - tight.totals.update).toBeLessThan(1.6e9);
  expect((await recomputed(["optim.microBatchTokens=8192"], "2xh100")).recomputed).toEqual({ layers: 0, blocks: 0 });
  expect((await recomputed([], "2xh200")).recomputed).toEqual({ layers: 0, blocks: 0 });
  const all = await recomputed(["model.activationCheckpoint=true"], "2xh200");
  expect(all.recomputed).toEqual({ layers: 1, blocks: 1 });
});

test("the largest micro-batch fits and one of 1024 tokens more does not", async () => {
  const stored = [...papo3b, "model.activationCheckpoint=false"];
  const { memory, fits, changes } = await planOf(stored, "2xh100");
  expect(fits).toBe(false);
  expect(memory.shortBytes).toBeGreaterThan(30e9);
  expect(changes).toContain("optim.microBatchTokens=8192");
  expect(changes).toContain("model.activationCheckpoint=true");
  const { largestMicroBatchTokens: most } = memory;
  expect((await planOf([...stored, `optim.microBatchTokens=${most}`], "2xh100")).fits).toBe(true);
  expect((await planOf([...stored, `optim.microBatchTokens=${most + 1024}`], "2xh100")).fits).toBe(false);
});

test("every change that is named makes the run fit, and every faster setting fits and is faster", async () => {
  const tight = await planOf(
    ["qwen2_5_vl_7b_grpo_papo", "optim.strategy=adamw", "model.activationCheckpoint=false"],
    "4xa100-80",
  );
  expect(tight.changes.length).toBeGreaterThan(0);
  for (const change of tight.changes) {
    const [, gpus] = /^--gpus (\S+)/u.exec(change) ?? [];
    const words = gpus === undefined ? [change.split(" ")[0] ?? ""] : [];
    const base = ["qwen2_5_vl_7b_grpo_papo", "optim.strategy=adamw", "model.activationCheckpoint=false"];
    expect((await planOf([...base, ...words], gpus ?? "4xa100-80")).fits, change).toBe(true);
  }
  const easy = await planOf(papo3b, "2xh100");
  expect(easy.faster.length).toBeGreaterThan(1);
  for (const setting of easy.faster) {
    const words = setting.replace(/ \(.*/u, "").split(" ");
    const changed = await planOf([...papo3b, ...words], "2xh100");
    expect(changed.fits, setting).toBe(true);
    expect(changed.step.seconds.total, setting).toBeLessThan(easy.step.seconds.total);
  }
});

test("the cache bounds the responses that are decoded together", async () => {
  const { memory } = await planOf(["qwen2_5_vl_7b_grpo_papo"], "4xh100");
  // a response's share of its prompt, and room to grow to the limit
  expect(memory.concurrentResponses).toBe(Math.floor(memory.kvTokens / (1200 / 5 + 2048)));
  expect(memory.concurrentResponses).toBeLessThan(256);
  // 28 layers x 4 heads x 128 x keys and values x 2 bytes
  const cache = (await planOf(["qwen2_5_vl_7b_grpo_papo"], "4xh200")).memory.parts.find(
    ({ name }) => name === "KV cache",
  );
  expect(cache?.bytes.rollout).toBe(57_344 * 256 * (1200 / 5 + 2048));
});

test("times add up, fall with more GPUs, and are well below the published system's", async () => {
  const same = [...papo3b, "model.activationCheckpoint=true"]; // auto recomputes less where there is more memory
  const [two, four] = [await planOf(same, "2xh100"), await planOf(same, "4xh100")];
  const { total, ...phases } = two.step.seconds;
  expect(Object.values(phases).reduce((sum, value) => sum + value, 0)).toBeCloseTo(total, 9);
  expect(four.step.seconds.update).toBeCloseTo(two.step.seconds.update / 2, 9);
  expect(four.step.seconds.total).toBeLessThan(total);
  expect(total).toBeLessThan(two.published.total / 2);
  // 128 prompts an optimizer step on 3 GPUs: the busiest has 43
  const three = await planOf(same, "3xh100");
  expect(three.step.seconds.update / two.step.seconds.update).toBeCloseTo(43 / 64, 9);
});

test("hours follow from the known data set, from rows, or from steps, and are unknown without any", async () => {
  const { hours, step } = await planOf(papo3b, "2xh100");
  expect(hours).toMatchObject({ steps: 202, source: "38870 rows, 2 epochs" });
  expect(hours?.gpuHours).toBeCloseTo((2 * 202 * step.seconds.total) / 3600, 9);
  const own = [...papo3b, "data.train=rows.jsonl"];
  expect((await planOf(own, "2xh100")).hours).toBeUndefined();
  expect((await planOf(own, "2xh100", { examples: 1000 })).hours?.steps).toBe(4); // 2 x floor(1000 / 384)
  expect((await planOf(own, "2xh100", { steps: 7 })).hours).toMatchObject({ steps: 7, source: "--steps" });
  expect((await planOf([...own, "trainer.maxSteps=11"], "2xh100")).hours?.source).toBe("trainer.maxSteps");
});

test("lengths beyond the run's limits are named, and missing ones stay within them", async () => {
  await expect(planOf(papo3b, "2xh100", { promptTokens: 4097 })).rejects.toThrow(
    "--prompt-tokens: expected an integer from 1 to data.maxPromptLength (4096), got 4097",
  );
  await expect(planOf(papo3b, "2xh100", { promptTokens: 900, imageTokens: 901 })).rejects.toThrow(
    "--image-tokens: expected an integer from 0 to the prompt's tokens (900), got 901",
  );
  await expect(planOf(papo3b, "2xh100", { responseTokens: 2049 })).rejects.toThrow("data.maxResponseLength (2048)");
  await expect(planOf(papo3b, "2xh100", { promptTokens: -1 })).rejects.toThrow("got -1");
  expect((await planOf(papo3b, "2xh100", { imageTokens: 1279 })).lengths.promptTokens).toBe(1279);
  expect((await planOf(["miniature-papo"], "1xl40s")).lengths).toEqual({
    ...{ promptTokens: 64, imageTokens: 53, responseTokens: 40 },
  });
});

test("sizes come from a checkpoint folder or from a published name; another name is told what works", async () => {
  expect((await modelSizesOf(join(packageRoot, "lib", "miniature", "checkpoint"))).text.numLayers).toBeLessThan(10);
  expect(publishedSize("me/Qwen2.5-VL-7B-finetuned")).toBe("7B");
  expect(publishedSize("Qwen/Qwen2.5-VL-4B-Instruct")).toBeUndefined();
  await expect(modelSizesOf("Qwen/Qwen3-VL-2B-Thinking")).rejects.toThrow(
    'model.path: expected a checkpoint folder or a name with Qwen2.5-VL-<size> (3B, 7B, 32B, 72B), got "Qwen/Qwen3-VL-2B-Thinking"',
  );
});

test("the text calls itself a prediction, gives the calibration's error, and says what is missing", async () => {
  const fitting = planText(await planOf(papo3b, "2xh100"));
  expect(fitting).toMatch(/^qwen2_5_vl_3b_grpo_papo on 2 x h100: predictions .*, not measurements\.\n/u);
  expect(fitting).toMatch(/fitted: 3B GRPO step [+-]\d+ %, .*\n {2}not fitted: 7B GRPO step [+-]\d+ %/u);
  const short = planText(await planOf(["qwen2_5_vl_3b_dapo_papo"], "1xrtx4090"));
  expect(short).toMatch(
    /It does not fit: \d+\.\d GB are missing on each rtx4090\.\nAny one of these makes it fit:\n {2}--gpus/u,
  );
  expect(short).toContain("One step, if it fitted");
  expect(short).toContain("dynamic sampling keeps every group");
  const hopeless = await planOf(["qwen2_5_vl_3b_grpo", "model.path=Qwen/Qwen2.5-VL-72B-Instruct"], "1xrtx4090");
  expect(planText(hopeless)).toContain("No single setting makes it fit.");
});
