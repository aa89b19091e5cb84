import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { evaluate, type Logger, readItems, type RewardFunction, type RewardItem, type RunSettings, train, type TrainOptions } from "papo"; // prettier-ignore
import { freshPath, jsonLines, makeWorld, removeWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

/** Three steps of four prompts with three responses each. */
function settings(out: string, more: RunSettings = {}): RunSettings {
  return {
    extends: "miniature-grpo",
    model: { path: world.model },
    data: { train: world.data, rolloutBatchSize: 4, maxResponseLength: 10 },
    rollout: { n: 3 },
    optim: { globalBatchSize: 4 },
    ...more,
    trainer: {
      maxSteps: 3,
      totalEpochs: 2,
      saveFreq: 1,
      saveLimit: 2,
      loggers: ["jsonl"],
      outDir: out,
      ...more.trainer,
    },
  };
}

const quiet = { say: () => undefined } satisfies TrainOptions;
/** Letters of a response whose code points are multiples of 3. */
const letters: RewardFunction = ({ response }) => {
  const all = Array.from(response);
  const accuracy = all.filter((letter) => (letter.codePointAt(0) ?? 0) % 3 === 0).length / Math.max(1, all.length);
  return { overall: accuracy, accuracy };
};

test("a reward function gets each response with its row, and its means are the metrics", async () => {
  const rows = new Map(jsonLines(world.data).map((row) => [row["id"], row]));
  const steps: { item: RewardItem; overall: number }[][] = [[]];
  const out = freshPath(world, "run");
  const result = await train(settings(out), {
    ...quiet,
    reward: async (item, signal) => {
      const reward = await letters(item, signal);
      steps.at(-1)?.push({ item, overall: reward.overall });
      return reward;
    },
    onStep: () => void steps.push([]),
  });
  const metrics = jsonLines(join(out, "metrics.jsonl"));
  expect(metrics).toHaveLength(3);
  for (const [index, { "reward/overall": mean }] of metrics.entries()) {
    const calls = steps[index] ?? [];
    expect(calls).toHaveLength(12);
    for (const { item } of calls) {
      expect(item).toMatchObject({ problem: rows.get(item.id)?.["problem"], answer: rows.get(item.id)?.["answer"] });
      expect(item.responseLength).toBeLessThanOrEqual(10);
    }
    expect(mean).toBeCloseTo(calls.reduce((sum, { overall }) => sum + overall, 0) / 12, 9);
  }
  const { step, ...last } = metrics[2] ?? {};
  expect(step).toBe(3);
  expect(result).toMatchObject({ runDir: out, numSteps: 3, metrics: last });
  expect(result.checkpoints.map((checkpoint) => checkpoint.step)).toEqual([2, 3]);
  expect(result.checkpoints.at(-1)?.dir).toBe(result.checkpointDir);
});

test("the same run by a module of the same reward has the same weights' metrics", async () => {
  const [own, module] = [freshPath(world, "function"), freshPath(world, "module")];
  const byFunction = await train(settings(own), { ...quiet, reward: letters });
  const byModule = await train(settings(module, { reward: world.reward }), quiet);
  for (const name of ["reward/overall", "actor/grad_norm", "actor/total_loss"])
    expect(byFunction.metrics[name]).toBe(byModule.metrics[name]);
});

test("an abort saves whole steps and rejects with its reason; the run goes on with its function", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const out = freshPath(world, "run");
  const seldom = settings(out, { trainer: { saveFreq: -1 } });
  const onStep = (step: number) => {
    if (step === 2) controller.abort(reason);
  };
  await expect(train(seldom, { ...quiet, reward: letters, signal: controller.signal, onStep })).rejects.toBe(reason);
  await expect(train([join(out, "config.json")], { ...quiet, resume: true })).rejects.toThrow(
    "reward.type function: expected the program's reward function, got none",
  );
  const steps: number[] = [];
  const result = await train([join(out, "config.json")], {
    ...{ ...quiet, reward: letters, resume: true },
    onStep: (step) => void steps.push(step),
  });
  expect(steps).toEqual([3]);
  expect(result.numSteps).toBe(3);
  expect(jsonLines(join(out, "metrics.jsonl")).map(({ step }) => step)).toEqual([1, 2, 3]);
});

test("a logger gets the steps; one that fails is dropped with a line, and what onStep throws ends the run", async () => {
  const said: string[] = [];
  const options = { reward: letters, say: (line: string) => void said.push(line) };
  const logged: number[] = [];
  let closed = 0;
  const logger: Logger = {
    name: "mine",
    logStep: (step, metrics) => {
      if (step === 2) throw new Error("full");
      expect(metrics["reward/overall"]).toBeDefined();
      logged.push(step);
    },
    close: () => void (closed += 1),
  };
  const out = freshPath(world, "run");
  await train(settings(out), { ...options, logger });
  expect(logged).toEqual([1]);
  expect(said).toContain("logger mine failed and is off from here on: full");
  expect(jsonLines(join(out, "metrics.jsonl"))).toHaveLength(3);
  const bug = new TypeError("a bug");
  const onStep = () => Promise.reject(bug);
  await expect(train(settings(freshPath(world, "run")), { ...options, logger: { ...logger, logStep: () => undefined }, onStep })).rejects.toBe(bug); // prettier-ignore
  expect(closed).toBe(1);
});

test("rewards that are not finite end the run, and a function beside a module is refused", async () => {
  const reward: RewardFunction = ({ id }) => ({ overall: 0 / Number(id.length > 9999) });
  await expect(train(settings(freshPath(world, "run")), { ...quiet, reward })).rejects.toThrow(
    /^reward function: response 0 of row \S+\.overall: expected a finite number, got NaN$/u,
  );
  const both = train(settings(freshPath(world, "run"), { reward: world.reward }), { ...quiet, reward: letters });
  await expect(both).rejects.toMatchObject({ name: "ConfigError", path: "reward.type" });
});

test("an evaluation's means are those of a function over its responses", async () => {
  const data = freshPath(world, "three.jsonl");
  writeFileSync(data, jsonLines(world.data).slice(0, 3).map((row) => `${JSON.stringify({ ...row, images: [] , problem: "Hi" })}\n`).join("")); // prettier-ignore
  const out = freshPath(world, "eval");
  const seen: number[] = [];
  const reward: RewardFunction = ({ response }) => {
    seen.push(response.length);
    return { overall: response.length / 100, long: response.length > 9 ? 1 : 0 };
  };
  const summary = await evaluate({ model: world.model, data, out, n: 2, maxTokens: 6, reward });
  const lengths: number[] = [];
  for await (const { responses } of readItems(join(out, "items.jsonl")))
    lengths.push(...responses.map(({ text }) => text.length));
  expect(lengths).toEqual(seen);
  expect(lengths).toHaveLength(6);
  expect(summary).toMatchObject({ rows: 3, n: 2 });
  const mean = lengths.reduce((sum, length) => sum + length, 0) / 600;
  expect(summary.average["overall"]).toBeCloseTo(mean, 9);
});
