// A short run of each way to train that the miniature recipes do not take: it ends, its metrics are finite and those
// that the mode promises, and what the mode sets reaches the weights as far as it should.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { train } from "../../lib/trainer/run.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, steadyMetrics, trainWords } from "./world.ts";
import type { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
  // A quarter of the vocabulary ends a response, so that an untrained model's responses differ in length.
  const eosTokenIds = Array.from({ length: 68 }, (_, index) => 4 * index + 1);
  writeFileSync(join(world.model, "generation_config.json"), JSON.stringify({ eos_token_id: eosTokenIds }));
});
afterAll(() => {
  removeWorld(world);
});

type Metrics = Readonly<Record<string, number>>;

interface Sample {
  readonly reward: number;
  readonly advantage: number;
  /** Tokens. */
  readonly length: number;
}

interface Outcome {
  /** By step. */
  readonly metrics: readonly Metrics[];
  /** Of the first step, by group: before the weights have moved. */
  readonly groups: readonly (readonly Sample[])[];
  /** Of the weights after each step. */
  readonly digests: readonly string[];
}

const outcomes = new Map<string, Promise<Outcome>>();

/** Two steps of two optimizer steps, four prompts of three responses each, no KL to a reference, unless told otherwise. */
function outcome(...more: string[]): Promise<Outcome> {
  const key = more.join(" ");
  const known = outcomes.get(key) ?? trainSteps(more);
  outcomes.set(key, known);
  return known;
}

async function trainSteps(more: readonly string[]): Promise<Outcome> {
  const out = freshPath(world, "run");
  const usual = ["algorithm.klRef.mode=off", "trainer.maxSteps=2", "trainer.samplesPerStep=99"];
  const words = trainWords(world, "miniature-grpo", out, ...usual, ...more).slice(1, -2);
  const config = loadRunConfig([...words, `trainer.outDir=${out}`, "trainer.loggers=[jsonl]"]);
  const { numSteps } = await train(config, { say: () => undefined });
  expect(numSteps).toBe(config.trainer.maxSteps);
  const metrics = steadyMetrics(out) as Metrics[];
  for (const [name, value] of metrics.flatMap((line) => Object.entries(line)))
    expect(value, name).toSatisfy(Number.isFinite);
  const digests = Array.from({ length: numSteps }, (_, index) =>
    digest(join(out, "checkpoints", `step-00000${index + 1}`, "model.safetensors")),
  );
  return { metrics, groups: samples(join(out, "samples", "step-000001.jsonl")), digests };
}

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function samples(file: string): Sample[][] {
  const groups = new Map<unknown, Sample[]>();
  for (const line of jsonLines(file)) {
    const [reward, advantage, length] = [line["reward/overall"], line["advantage"], line["numTokens"]].map(Number);
    const sample = { reward: reward ?? NaN, advantage: advantage ?? NaN, length: length ?? NaN };
    groups.set(line["id"], [...(groups.get(line["id"]) ?? []), sample]);
  }
  return [...groups.values()];
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
const series = ({ metrics }: Outcome, name: string) => metrics.map((line) => line[name]);

const perception = [
  "actor/aug_entropy_loss",
  "actor/kl_prcp_coef",
  "actor/kl_prcp_coef_annealing_discount",
  "actor/kl_prcp_loss",
];
const inReward = ["critic/kl", "critic/kl_coef"];
const rewardKl = ["algorithm.klRef.mode=reward", "algorithm.klRef.coef=0.1"];
const papo = ["algorithm.klPrcp.enabled=true", "algorithm.klPrcp.estimator=k3", "algorithm.klPrcp.coef=0.4"];
const patches = [...papo, "aug.mode=patch", "aug.exact=true"];
const annealed = [...papo, "algorithm.klPrcp.schedule=annealing", "algorithm.klPrcp.annealing.ratio=1"];
const fullEntropy = ["algorithm.entropy.oriCoef=0.1", "algorithm.entropy.kind=full"];
const maskedEntropy = [...papo, "aug.grad=recompute", "algorithm.entropy.augCoef=0.1", "algorithm.entropy.kind=full"];

/** Mode, its words, the words that make it another run, and the metrics that a plain run lacks. */
const modes: [name: string, words: string[], changed: string[], more?: string[]][] = [
  ["RLOO", ["algorithm.advantage=rloo"], ["algorithm.advantage=grpo"]],
  ["REINFORCE++", ["algorithm.advantage=reinforce_plus_plus"], ["algorithm.advantage=grpo"]],
  [
    "REINFORCE++ with the KL in the reward",
    ["algorithm.advantage=reinforce_plus_plus", ...rewardKl],
    ["algorithm.klRef.coef=0.2"],
    inReward,
  ],
  ["ReMax", ["algorithm.advantage=remax"], ["algorithm.advantage=grpo"]],
  ["Dr.GRPO", ["algorithm.advantage=dr_grpo", "algorithm.lossAvgMode=dr_grpo"], ["algorithm.advantage=grpo"]],
  ["GSPO", ["algorithm.policyLoss=gspo"], ["algorithm.gspo.clipRatioLow=0.9"]],
  ["the KL in the reward", rewardKl, ["algorithm.klRef.coef=0.2"], inReward],
  [
    "an adaptive KL in the reward",
    [...rewardKl, "algorithm.klRef.type=adaptive", "algorithm.klRef.horizon=24"],
    ["algorithm.klRef.horizon=12"],
    inReward,
  ],
  ["the KL as a loss", ["algorithm.klRef.mode=loss"], ["algorithm.klRef.coef=0.2"], ["actor/kl_coef", "actor/kl_loss"]],
  ["an annealed perception KL", annealed, ["algorithm.klPrcp.annealing.end=0.3"], perception],
  ["an SFT term", ["algorithm.sft.coef=0.1"], ["algorithm.sft.coef=0.2"], ["actor/sft_coef", "actor/sft_loss"]],
  [
    "the perception KL of selected tokens",
    [...papo, "algorithm.klPrcp.tokenTopP=0.2"],
    ["algorithm.klPrcp.tokenTopP=0.6"],
    perception,
  ],
  ["means of responses", ["algorithm.lossAvgMode=seq"], ["algorithm.lossAvgMode=token"]],
  ["means of micro-batches", ["algorithm.lossAvgMode=reference", "optim.microBatchSize=2"], ["optim.microBatchSize=3"]],
  ["a masked picture a response", [...papo, "aug.per=response"], ["aug.per=prompt"], perception],
  ["masks by saliency", [...papo, "aug.strategy=saliency"], ["aug.ratio=0.4"], perception],
  ["an exact share of the model's patches", patches, ["aug.exact=false"], perception],
  ["another share of the model's patches", patches, ["aug.ratio=0.4"], perception],
  ["noise in the model's patches", [...patches, "aug.fill=noise"], ["aug.fill=black"], perception],
  ["full entropy", fullEntropy, ["algorithm.entropy.oriCoef=0.2"], ["actor/ori_entropy_loss_coef"]],
  ["full entropy of the policy", fullEntropy, ["algorithm.entropy.kind=sampled"], ["actor/ori_entropy_loss_coef"]],
  [
    "full entropy of the masked branch",
    maskedEntropy,
    ["algorithm.entropy.augCoef=0.2"],
    [...perception, "actor/aug_entropy_loss_coef"],
  ],
];

test.for(modes)("%s: metrics are those promised, and it reaches the weights", async ([, words, changed, more = []]) => {
  const [plain, run, other] = [await outcome(), await outcome(...words), await outcome(...words, ...changed)];
  const expected = [...Object.keys(plain.metrics[0] ?? {}), ...more].toSorted();
  for (const line of run.metrics) expect(Object.keys(line).toSorted()).toEqual(expected);
  expect(run.digests[1]).not.toBe(run.digests[0]);
  expect(run.digests[1]).not.toBe(other.digests[1]);
  expect(run.digests[1]).not.toBe(plain.digests[1]);
});

test.for([
  ["the KL as a loss", ["algorithm.klRef.mode=loss", "algorithm.klRef.coef=0"]],
  ["the KL in the reward", ["algorithm.klRef.mode=reward", "algorithm.klRef.coef=0"]],
  [
    "an adaptive KL in the reward",
    ["algorithm.klRef.mode=reward", "algorithm.klRef.coef=0", "algorithm.klRef.type=adaptive"],
  ],
  ["the perception KL", ["algorithm.klPrcp.enabled=true", "algorithm.klPrcp.coef=0"]],
  [
    "the perception KL with gradient",
    ["algorithm.klPrcp.enabled=true", "algorithm.klPrcp.coef=0", "aug.grad=recompute"],
  ],
  [
    "an annealed perception KL",
    ["algorithm.klPrcp.enabled=true", "algorithm.klPrcp.schedule=annealing", "algorithm.klPrcp.annealing.start=0"],
  ],
  ["the SFT term", ["algorithm.sft.coef=0"]],
  ["an unmasked picture with gradient", [...papo, "aug.grad=recompute", "aug.ratio=0"]],
] as const)("%s: 0 is the same as absent", async ([, words]) => {
  expect((await outcome(...words)).digests).toEqual((await outcome()).digests);
});

test("raw and patch masking are the same where no picture is resized and cells are the model's patches", async () => {
  expect((await outcome(...patches, "aug.mode=raw")).digests).toEqual((await outcome(...patches)).digests);
});

/** Advantages of the groups by the estimators' definitions. */
const definitions: Record<string, (groups: readonly (readonly Sample[])[]) => number[]> = {
  grpo: (groups) =>
    groups.flatMap((group) => {
      const centred = group.map(({ reward }) => reward - mean(group.map((other) => other.reward)));
      const deviation = Math.sqrt(sum(centred.map((value) => value ** 2)) / (group.length - 1));
      return centred.map((value) => value / (deviation + 1e-6));
    }),
  dr_grpo: (groups) =>
    groups.flatMap((group) => group.map(({ reward }) => reward - mean(group.map((other) => other.reward)))),
  rloo: (groups) =>
    groups.flatMap((group) =>
      group.map(({ reward }, index) => reward - mean(group.filter((_, i) => i !== index).map((other) => other.reward))),
    ),
  reinforce_plus_plus: (groups) => {
    const tokens = groups.flat().flatMap(({ reward, length }) => new Array<number>(length).fill(reward));
    const centre = mean(tokens);
    const variance = sum(tokens.map((value) => (value - centre) ** 2)) / (tokens.length - 1);
    return groups.flat().map(({ reward }) => (reward - centre) / Math.sqrt(variance + 1e-8));
  },
};

test.for(Object.entries(definitions))("the advantages of %s are those of the rewards", async ([name, definition]) => {
  const { groups } = await outcome(`algorithm.advantage=${name}`);
  expect(groups.map((group) => group.length)).toEqual([3, 3, 3, 3]);
  expect(new Set(groups.flat().map(({ length }) => length)).size).toBeGreaterThan(3);
  const expected = definition(groups);
  groups.flat().forEach(({ advantage }, index) => {
    expect(advantage).toBeCloseTo(expected[index] ?? NaN, 9);
  });
});

test("the advantages of ReMax are over the rewards of greedy responses", async () => {
  const all = ["data.rolloutBatchSize=8", "optim.globalBatchSize=8", "trainer.maxSteps=1"];
  const greedy = [`data.val=${world.data}`, "rollout.val.n=1", "rollout.val.temperature=0"];
  const { metrics, groups } = await outcome("algorithm.advantage=remax", ...all, ...greedy);
  const baselines = groups.map((group) => group.map(({ reward, advantage }) => reward - advantage));
  expect(baselines).toHaveLength(8);
  for (const [first = NaN, ...others] of baselines) for (const other of others) expect(other).toBeCloseTo(first, 12);
  // Validation before the first step is greedy here, and over the same eight prompts.
  expect(mean(baselines.map(([first = NaN]) => first))).toBeCloseTo(metrics[0]?.["val/reward_score"] ?? NaN, 12);
});

const oneUpdate = ["optim.globalBatchSize=4", "trainer.maxSteps=1"];

/** The policy loss while the ratio is 1, by what each mode averages over. */
const averages: Record<string, (samples: readonly Sample[]) => number> = {
  token: (samples) =>
    -sum(samples.map(({ advantage, length }) => advantage * length)) / sum(samples.map(({ length }) => length)),
  seq: (samples) => -mean(samples.map(({ advantage }) => advantage)),
  reference: (samples) =>
    mean([0, 2, 4, 6, 8, 10].map((start) => averages["token"]?.(samples.slice(start, start + 2)) ?? NaN)),
  dr_grpo: (samples) => -sum(samples.map(({ advantage, length }) => advantage * length)) / (samples.length * 10),
};

test.for(Object.entries(averages))("%s averages the policy loss as it says", async ([name, average]) => {
  const micro = name === "reference" ? ["optim.microBatchSize=2"] : [];
  // Advantages that do not add up to 0 in a group, so that no average is 0.
  const { metrics, groups } = await outcome(
    `algorithm.lossAvgMode=${name}`,
    "algorithm.advantage=remax",
    ...micro,
    ...oneUpdate,
  );
  expect(metrics[0]?.["actor/pg_loss"]).toBeCloseTo(average(groups.flat()), 5);
  const others = Object.values(averages).filter((other) => other !== average);
  for (const other of others) expect(Math.abs(other(groups.flat()) - average(groups.flat()))).toBeGreaterThan(1e-3);
});

test("GSPO averages the policy loss over responses whatever the others are averaged over", async () => {
  const { metrics, groups } = await outcome("algorithm.policyLoss=gspo", "algorithm.advantage=remax", ...oneUpdate);
  expect(metrics[0]?.["actor/pg_loss"]).toBeCloseTo(averages["seq"]?.(groups.flat()) ?? NaN, 5);
});

test("the KL in the reward is 0 until the weights have moved, and then taken from the score", async () => {
  const run = await outcome(...rewardKl);
  const [first = NaN, second = NaN] = series(run, "critic/kl");
  expect([first, series(run, "critic/kl_coef")]).toEqual([0, [0.1, 0.1]]);
  expect(Math.abs(second)).toBeGreaterThan(1e-3);
  const taken = run.metrics.map((line) => (line["critic/score/mean"] ?? NaN) - (line["critic/rewards/mean"] ?? NaN));
  expect(taken[0]).toBe(0);
  // k1 sums over some 4 tokens: about coef x 4 x the mean a token.
  expect((taken[1] ?? NaN) / (0.1 * second)).toSatisfy((tokens: number) => tokens > 1 && tokens < 10);
});

test("the adaptive coefficient follows the KL of the step before by the controller's rule", async () => {
  const settings = ["algorithm.klRef.estimator=abs", "algorithm.klRef.type=adaptive", "algorithm.klRef.target=0.1"];
  const run = await outcome(...rewardKl, ...settings, "algorithm.klRef.horizon=24", "trainer.maxSteps=3");
  const kls = series(run, "critic/kl");
  const rule = (kl = NaN) => 1 + (Math.min(Math.max(kl / 0.1 - 1, -0.2), 0.2) * 12) / 24;
  expect(kls[0]).toBe(0);
  expect(kls[1]).toBeGreaterThan(0.12);
  const coefs = series(run, "critic/kl_coef");
  [0.1, 0.1 * rule(kls[0]), 0.1 * rule(kls[0]) * rule(kls[1])].forEach((expected, index) => {
    expect(coefs[index]).toBeCloseTo(expected, 12);
  });
  expect(coefs[1]).toBeCloseTo(0.09, 12);
  expect(coefs[2]).toBeCloseTo(0.099, 12);
});

test("REINFORCE++ has the same advantages token by token as response by response where no KL is taken away", async () => {
  const words = ["algorithm.advantage=reinforce_plus_plus"];
  const [perToken, perResponse] = [await outcome(...words, ...rewardKl), await outcome(...words)];
  perToken.groups.flat().forEach(({ advantage }, index) => {
    expect(advantage).toBeCloseTo(perResponse.groups.flat()[index]?.advantage ?? NaN, 5);
  });
});

test("an annealed perception KL falls by its line, and the entropies with it", async () => {
  const run = await outcome(...annealed, "algorithm.entropy.oriCoef=0.1");
  expect(series(run, "actor/kl_prcp_coef")).toEqual([0.4, 0.2]);
  expect(series(run, "actor/kl_prcp_coef_annealing_discount")).toEqual([1, 0.5]);
  expect(series(run, "actor/ori_entropy_loss_coef")).toEqual([0.1, 0.05]);
});

test("compat: reference has no learning rate at step 1 and logs the total loss as actor/pg_loss", async () => {
  const words = ["algorithm.entropy.oriCoef=0.1", "optim.microBatchSize=2"];
  const reference = await outcome("compat=reference", ...words);
  expect(series(reference, "actor/lr")).toEqual([0, 1e-3]);
  expect(series(reference, "actor/ppo_kl")[0]).toBe(0);
  expect(reference.digests[0]).toBe((await outcome("optim.lr=0")).digests[1]);
  expect(reference.digests[1]).not.toBe(reference.digests[0]);
  const losses = (run: Outcome) => [series(run, "actor/pg_loss"), series(run, "actor/total_loss")] as const;
  const [pg, total] = losses(reference);
  expect(pg).toEqual(total);
  const [ownPg, ownTotal] = losses(await outcome("algorithm.lossAvgMode=reference", ...words));
  expect(Math.abs((ownTotal[0] ?? NaN) - (ownPg[0] ?? NaN))).toBeGreaterThan(0.1);
});
