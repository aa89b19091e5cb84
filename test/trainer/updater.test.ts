// What an update computes with which weights, against runs of its parts by hand.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { maskedView } from "../../lib/algorithm/augment.ts";
import { KlController } from "../../lib/algorithm/coefficient-schedule.ts";
import { lossSpec } from "../../lib/algorithm/loss-spec.ts";
import { loadRunConfig } from "../../lib/config/load.ts";
import type { RunConfig } from "../../lib/config/schema.ts";
import { openDataset } from "../../lib/data/dataset.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { Processor, releasePrompt } from "../../lib/processor/processor.ts";
import { groupInput } from "../../lib/rollout/rollout.ts";
import { PolicyOptimizer } from "../../lib/trainer/policy-optimizer.ts";
import { Progress } from "../../lib/trainer/progress.ts";
import { PhaseTimer } from "../../lib/trainer/step-metrics.ts";
import { Updater, type UpdateResult } from "../../lib/trainer/updater.ts";
import type { RewardedGroup } from "../../lib/types.ts";
import { makeWorld, removeWorld, trainWords, type World } from "../e2e/world.ts";
import { testing } from "../support/objective.ts";
import {
  batchOf,
  gradientDifference,
  keep,
  mixedGroups,
  nearPolicy,
  response,
  score,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();

let world: World;
/** Four prompts with three responses each, of 1 to 7 tokens. */
let groups: RewardedGroup[];
beforeAll(async () => {
  world = await makeWorld();
  const config = settings();
  const processor = await Processor.load(world.model, config.data);
  const dataset = await openDataset(world.data);
  groups = [];
  for (let row = 0; row < 4; row += 1) {
    const responses = [0, 1, 2].map((index) => ({
      ids: response(1 + ((5 * row + 3 * index) % 7), 10 * row + index),
      logProbs: new Float32Array(1 + ((5 * row + 3 * index) % 7)),
      finishReason: "length" as const,
      text: "",
    }));
    const rewards = [0, 1, 2].map((index) => ({ overall: (index + row) % 3, accuracy: index % 2 }));
    groups.push({ prompt: await processor.prepare(await dataset.read(row)), responses, rewards });
  }
});
afterAll(() => {
  groups.forEach(({ prompt }) => {
    releasePrompt(prompt);
  });
  removeWorld(world);
});

/** PAPO on GRPO without a KL to a reference, two prompts an optimizer step, learning fast. */
function settings(...more: string[]): RunConfig {
  const words = ["algorithm.klRef.mode=off", "optim.lr=3e-3", ...more];
  return loadRunConfig(trainWords(world, "miniature-papo", "", ...words).slice(1, -2));
}

interface Moved {
  readonly result: UpdateResult;
  readonly policy: Policy;
  /** Phases that took time. */
  readonly phases: string[];
  readonly isMidUpdate: boolean;
}

/** One training step on a fresh policy. */
async function moved(
  config: RunConfig,
  batch = groups,
  { spoil, klPrcpFactor = 1 }: { spoil?: (policy: Policy) => Promise<void>; klPrcpFactor?: number } = {},
): Promise<Moved> {
  const policy = await openPolicy(true);
  await spoil?.(policy);
  const reference = config.algorithm.klRef.mode === "off" ? undefined : await openPolicy(false);
  const optimizer = await PolicyOptimizer.create(config.optim, policy);
  keep(optimizer.handle);
  const klController = new KlController(config.algorithm.klRef);
  const guard = { klPrcpFactor };
  const parts = { config, policy, reference, optimizer, klController, guard, progress: new Progress(), totalSteps: 1 };
  const updater = new Updater(parts);
  const timer = new PhaseTimer();
  const result = await updater.update({ groups: batch, step: 1 }, timer, undefined);
  const times = Object.keys(timer.metrics({ responseTokens: 1, totalTokens: 1 }));
  const phases = times.filter((name) => name.startsWith("timing_s/")).map((name) => name.slice("timing_s/".length));
  return { result, policy, phases, isMidUpdate: updater.isMidUpdate };
}

async function openPolicy(trained: boolean): Promise<Policy> {
  const policy = await Policy.open(world.model, { trained });
  keep(policy.handle);
  return policy;
}

/** Of every response token by response, on the plain or on the masked picture. */
async function logProbs({ handle }: Policy, config: RunConfig, masked = false): Promise<number[][]> {
  const view = masked ? { view: maskedView(config) } : {};
  const values = await native.logProbValues(await score(handle, batchOf(groups.map(groupInput)), view));
  let next = 0;
  return groups.flatMap((group) =>
    group.responses.map(({ ids }) => Array.from(values.slice(next, (next += ids.length)))),
  );
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean over tokens of what two lists of responses give token by token. */
function meanOf(x: readonly number[][], y: readonly number[][], value: (x: number, y: number) => number): number {
  return mean(x.flatMap((tokens, row) => tokens.map((token, at) => value(token, y[row]?.[at] ?? NaN))));
}

const k3 = (x: number, y: number) => Math.min(Math.exp(y - x) - (y - x) - 1, 10);

/** The perception KL of each response. */
function perceptionKl(plain: readonly number[][], masked: readonly number[][]): number[] {
  return plain.map((tokens, index) => meanOf([tokens], [masked[index] ?? []], k3));
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, index) => {
    expect(actual[index], String(index)).toBeCloseTo(value, 4);
  });
}

const distance = (x: readonly number[], y: readonly number[]) =>
  Math.max(...x.map((value, index) => Math.abs(value - (y[index] ?? NaN))));

describe("the perception KL of a step's second optimizer step", () => {
  for (const grad of ["none", "recompute"] as const) {
    const whose = grad === "none" ? "the weights before the update" : "the current weights";
    test(`aug.grad: ${grad} has the masked branch of ${whose}`, async () => {
      const config = settings(`aug.grad=${grad}`);
      const before = await openPolicy(false);
      // The first optimizer step alone takes the same two groups and so leaves the weights that the second starts with.
      const { policy: between } = await moved(config, groups.slice(0, 2));
      const [plain, stale, fresh] = [
        await logProbs(between, config),
        await logProbs(before, config, true),
        await logProbs(between, config, true),
      ];
      const { result, phases } = await moved(config);
      const first = perceptionKl(await logProbs(before, config), stale).slice(0, 6);
      const byStale = perceptionKl(plain, stale).slice(6);
      const byFresh = perceptionKl(plain, fresh).slice(6);
      expect(distance(byStale, byFresh)).toBeGreaterThan(0.01);
      expectClose(result.perceptionKl, [...first, ...(grad === "none" ? byStale : byFresh)]);
      expect(phases.includes("aug_probs")).toBe(grad === "none");
    });
  }
});

test("without a term on the masked picture it is not looked at", async () => {
  const { result, phases } = await moved(settings("algorithm.klPrcp.enabled=false"));
  expect(phases).not.toContain("aug_probs");
  expect(result.perceptionKl).toEqual([]);
});

describe("old log-probs are those of the rollout's weights", () => {
  test("in the second optimizer step", async () => {
    const config = settings();
    const { result: alone, policy: between } = await moved(config, groups.slice(0, 2));
    const { result, phases } = await moved(config);
    expect(alone.metrics["actor/ppo_kl"]).toBe(0);
    expect(phases).toContain("old");
    const [old, now] = [await logProbs(await openPolicy(false), config), await logProbs(between, config)];
    const numTokens = old.flat().length;
    const second = meanOf(old.slice(6), now.slice(6), (x, y) => x - y);
    expect(Math.abs(second)).toBeGreaterThan(0.01);
    // A mean over both steps' tokens, 0 in the first.
    const share = old.slice(6).flat().length / numTokens;
    expect(result.metrics["actor/ppo_kl"]).toBeCloseTo(share * second, 4);
  });

  test("in the second pass over the batch", async () => {
    const config = settings("optim.globalBatchSize=4");
    const { policy: between, result: alone, phases } = await moved(config);
    expect(alone.metrics["actor/ppo_kl"]).toBe(0);
    expect(phases).not.toContain("old");
    const twice = await moved(settings("optim.globalBatchSize=4", "algorithm.epochs=2"));
    expect(twice.phases).toContain("old");
    const [old, now] = [await logProbs(await openPolicy(false), config), await logProbs(between, config)];
    const second = meanOf(old, now, (x, y) => x - y);
    expect(Math.abs(second)).toBeGreaterThan(0.003);
    expect(twice.result.metrics["actor/ppo_kl"]).toBeCloseTo(second / 2, 4);
    // Each response is reported once, as the first pass has it.
    expect(twice.result.perceptionKl).toEqual(alone.perceptionKl);
  });
});

test("one optimizer step needs no pass for old log-probs, unless the KL is taken from the reward", async () => {
  const one = "optim.globalBatchSize=4";
  expect((await moved(settings(one))).phases).not.toContain("old");
  expect((await moved(settings(one, "algorithm.klRef.mode=loss"))).phases).not.toContain("old");
  expect((await moved(settings(one, "algorithm.klRef.mode=reward"))).phases).toEqual(
    expect.arrayContaining(["old", "ref"]),
  );
});

test("a KL over the vocabulary runs the reference in the update: 0 in a step's first optimizer step, then not", async () => {
  const full = ["algorithm.klRef.mode=loss", "algorithm.klRef.estimator=full"];
  const { result, phases } = await moved(settings(...full));
  expect(phases).not.toContain("ref");
  expect(result.metrics["actor/kl_loss"]).toBeGreaterThan(1e-3);
  const one = await moved(settings(...full, "optim.globalBatchSize=4"));
  expect(one.result.metrics["actor/kl_loss"]).toBeCloseTo(0, 6);
});

test("a weight that the guard has lowered is that weight, in the update and in the log", async () => {
  const one = (coef: number) =>
    settings("optim.globalBatchSize=4", "aug.grad=recompute", `algorithm.klPrcp.coef=${coef}`);
  const weight = async ({ policy }: Moved) =>
    await testing.policyValues(policy.handle, "model.layers.0.mlp.up_proj.weight", "weight");
  const lowered = await moved(one(4), groups, { klPrcpFactor: 0.25 });
  const plain = await moved(one(1));
  expect(lowered.result.metrics).toMatchObject({
    "actor/kl_prcp_coef": 1,
    "actor/kl_prcp_coef_annealing_discount": 1,
    "actor/total_loss": plain.result.metrics["actor/total_loss"],
  });
  expect(await weight(lowered)).toEqual(await weight(plain));
  expect(await weight(await moved(one(4)))).not.toEqual(await weight(plain));
});

test("forward passes that are not finite are counted as skipped, and leave the update's weights as they were", async () => {
  const config = settings("optim.globalBatchSize=4", "aug.grad=recompute");
  const spoil = async ({ handle }: Policy) => {
    const values = await testing.policyValues(handle, "model.norm.weight", "weight");
    await testing.setPolicyValues(handle, "model.norm.weight", "weight", values.fill(NaN));
  };
  const { result, policy, isMidUpdate } = await moved(config, groups, { spoil });
  expect(result.metrics["actor/skipped_updates"]).toBe(1);
  expect(isMidUpdate).toBe(false);
  const name = "model.layers.0.mlp.up_proj.weight";
  const [after, before] = [policy, await openPolicy(false)].map(({ handle }) =>
    testing.policyValues(handle, name, "weight"),
  );
  expect(await after).toEqual(await before);
});

const recipes = readdirSync(join(packageRoot, "lib", "recipes")).map((file) => file.replace(/\.yaml$/u, ""));

describe("eta 2, entropy.augCoef, of the published recipes", () => {
  /** The gradient of a recipe's objective with its own eta 2 and with three times that. */
  async function gradients(
    recipe: string,
  ): Promise<{ own: Map<string, Float64Array>; more: Map<string, Float64Array> }> {
    const config = loadRunConfig([recipe]);
    const { algorithm } = config;
    expect(algorithm.entropy.augCoef).toBeGreaterThan(0);
    const policy = await tinyPolicy({ dtype: "float64" });
    const batch = mixedGroups();
    const view = maskedView(config);
    const refLogProbs = await score(await nearPolicy({ dtype: "float64" }, 0.03, 2), batchOf(batch));
    const inputs = {
      ...(algorithm.klRef.mode === "loss" ? { refLogProbs } : {}),
      ...(config.aug.grad === "recompute"
        ? { recompute: view }
        : { augLogProbs: await score(policy, batchOf(batch), { view }) }),
    };
    const gradient = async (augCoef: number) => {
      const spec = lossSpec({ ...algorithm, entropy: { ...algorithm.entropy, augCoef } }, algorithm.klPrcp.coef);
      return (await update(policy, batch, spec, inputs)).gradient as Map<string, Float64Array>;
    };
    const { augCoef } = algorithm.entropy;
    return { own: await gradient(augCoef), more: await gradient(3 * augCoef) };
  }

  const twins = recipes.filter((name) => name.endsWith("-recompute"));

  test("there are twins of all recipes that set it", () => {
    const setIt = recipes.filter(
      (name) => !/^_|-recompute$/u.test(name) && loadRunConfig([name]).algorithm.entropy.augCoef > 0,
    );
    expect(setIt.length).toBeGreaterThan(0);
    expect(twins.toSorted()).toEqual(setIt.map((name) => `${name}-recompute`).toSorted());
  });

  test.for(twins)("%s: changes the gradient", async (recipe) => {
    const { own, more } = await gradients(recipe);
    expect(gradientDifference(more, own)).toBeGreaterThan(0.001);
  });

  test.for(twins.map((name) => name.replace("-recompute", "")))("%s: does not", async (recipe) => {
    const { own, more } = await gradients(recipe);
    expect(gradientDifference(more, own)).toBe(0);
  });
});
