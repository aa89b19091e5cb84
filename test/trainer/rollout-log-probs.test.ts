// algorithm.oldLogProbs: training steps that take their old log-probs from the rollout, beside steps that score them.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KlController } from "../../lib/algorithm/coefficient-schedule.ts";
import { loadRunConfig } from "../../lib/config/load.ts";
import type { RunConfig } from "../../lib/config/schema.ts";
import { openDataset } from "../../lib/data/dataset.ts";
import { loadNative } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { Processor, releasePrompt } from "../../lib/processor/processor.ts";
import { groupInput, Rollout } from "../../lib/rollout/rollout.ts";
import { PolicyOptimizer } from "../../lib/trainer/policy-optimizer.ts";
import { Progress } from "../../lib/trainer/progress.ts";
import { PhaseTimer } from "../../lib/trainer/step-metrics.ts";
import { Updater } from "../../lib/trainer/updater.ts";
import type { Group, Prompt, RewardedGroup } from "../../lib/types.ts";
import { makeWorld, removeWorld, trainWords, type World } from "../e2e/world.ts";
import { largestDifference, testing } from "../support/objective.ts";
import { batchOf, keep, score } from "../support/tiny-policy.ts";

const native = loadNative();

let world: World;
let processor: Processor;
let prompts: Prompt[];
beforeAll(async () => {
  world = await makeWorld();
  processor = await Processor.load(world.model, settings().data);
  const dataset = await openDataset(world.data);
  prompts = [];
  for (let row = 0; row < 5; row += 1) prompts.push(await processor.prepare(await dataset.read(row)));
});
afterAll(() => {
  prompts.forEach(releasePrompt);
  removeWorld(world);
});

/** PAPO on GRPO, one prompt an optimizer step, at a temperature and a top-p of its own. */
function settings(...more: string[]): RunConfig {
  const words = ["optim.lr=1e-3", "rollout.temperature=0.8", "rollout.topP=0.9", "algorithm.klRef.mode=off"];
  const sizes = ["data.rolloutBatchSize=3", "optim.globalBatchSize=1", ...more];
  return loadRunConfig(trainWords(world, "miniature-papo", "", ...words, ...sizes).slice(1, -2));
}

/** Groups 4, 0 and 2 of five, as dynamic sampling leaves them, with every response a reward of its own. */
function kept(groups: readonly Group[], step: number): RewardedGroup[] {
  return [4, 0, 2].flatMap((index) => {
    const group = groups[index];
    if (!group) return [];
    const rewards = group.responses.map((_, response) => {
      const overall = (response + index + step) % 3;
      return { overall, accuracy: overall / 2 };
    });
    return [{ ...group, rewards }];
  });
}

async function opened(config: RunConfig) {
  const policy = await Policy.open(world.model, { trained: true });
  keep(policy.handle);
  const limits = { seed: 1, maxResponseLength: config.data.maxResponseLength, maxConcurrentResponses: 4 };
  return { policy, rollout: new Rollout(policy, processor, limits) };
}

const sample = async (rollout: Rollout, config: RunConfig, step: number) =>
  kept(await rollout.generate(prompts, { sampling: config.rollout, purpose: "training", step }), step);

/** Three training steps, each with responses of the weights that it starts with. */
async function trained(...more: string[]) {
  const config = settings(...more);
  const { policy, rollout } = await opened(config);
  const reference = config.algorithm.klRef.mode === "off" ? undefined : (await opened(config)).policy;
  const optimizer = await PolicyOptimizer.create(config.optim, policy);
  keep(optimizer.handle);
  const klController = new KlController(config.algorithm.klRef);
  const guard = { klPrcpFactor: 1 };
  const parts = { config, policy, reference, optimizer, klController, guard, progress: new Progress(), totalSteps: 3 };
  const updater = new Updater(parts);
  const timer = new PhaseTimer();
  const results = [];
  const ids: number[][] = [];
  for (let step = 1; step <= 3; step += 1) {
    const groups = await sample(rollout, config, step);
    ids.push(...groups.flatMap(({ responses }) => responses.map((response) => [...response.ids])));
    results.push(await updater.update({ groups, step }, timer, undefined));
  }
  const weights = await Promise.all(
    native.policyTensors(policy.handle).map(({ name }) => testing.policyValues(policy.handle, name, "weight")),
  );
  return { results, ids, weights, times: Object.keys(timer.metrics({ responseTokens: 1, totalTokens: 1 })) };
}

describe.each([
  ["constant masked branch", []],
  ["recomputed masked branch", ["aug.grad=recompute"]],
  ["GSPO", ["algorithm.policyLoss=gspo"]],
  ["two passes over the batch", ["algorithm.epochs=2"]],
  ["KL in the reward", ["algorithm.klRef.mode=reward", "algorithm.klRef.coef=0.1"]],
  ["full entropies", ["algorithm.entropy.kind=full", "algorithm.entropy.oriCoef=0.1"]],
])("%s", (_, more) => {
  test("three steps by the rollout's log-probs are those by scored ones", async () => {
    const scored = await trained(...more);
    const taken = await trained("algorithm.oldLogProbs=rollout", ...more);
    expect(scored.times).toContain("timing_s/old");
    expect(taken.times).not.toContain("timing_s/old");
    expect(taken.ids).toEqual(scored.ids);
    taken.weights.forEach((values, index) => {
      expect(largestDifference(values, scored.weights[index] ?? new Float64Array())).toBeLessThan(1e-5);
    });
    taken.results.forEach(({ metrics }, step) => {
      const expected = scored.results[step]?.metrics ?? {};
      expect(Object.keys(metrics)).toEqual(Object.keys(expected));
      for (const [name, value] of Object.entries(metrics))
        // Memory depends on what the process has held before.
        if (!name.startsWith("perf/")) expect(value, name).toBeCloseTo(expected[name] ?? NaN, 4);
      // The ratio has moved, so that other old log-probs would show.
      expect(Math.abs(metrics["actor/ppo_kl"] ?? 0)).toBeGreaterThan(5e-5);
      expect(metrics["rollout/log_prob_diff_max"]).toBeLessThan(1e-5);
      expect(metrics["rollout/log_prob_diff_mean"]).toBeGreaterThanOrEqual(0);
    });
  });
});

test("a batch's handle holds what each response was sampled with, and that is what scoring gives", async () => {
  const config = settings();
  const { policy, rollout } = await opened(config);
  const groups = await sample(rollout, config, 1);
  const batch = batchOf(groups.map(groupInput));
  const rows = groups.flatMap(({ responses }) => responses.map(({ logProbs }) => logProbs));
  const values = await native.logProbValues(keep(await native.createLogProbs(policy.handle, batch, rows)));
  expect([...values]).toEqual(rows.flatMap((row) => [...row]));
  const scored = await native.logProbValues(await score(policy.handle, batch, { temperature: 0.8 }));
  expect(largestDifference(values, scored)).toBeLessThan(1e-5);
});

test("with the rollout's log-probs every response has its KL to the reference", async () => {
  const config = ["algorithm.oldLogProbs=rollout", "algorithm.klRef.mode=loss"];
  const { results } = await trained(...config);
  expect(results.map(({ referenceKl }) => referenceKl.length)).toEqual([9, 9, 9]);
  expect(results.flatMap(({ referenceKl }) => referenceKl).every(Number.isFinite)).toBe(true);
});
