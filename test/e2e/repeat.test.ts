import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonLines, makeWorld, removeWorld, steadyMetrics, trainWhole } from "./world.ts";
import type { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

test("the same seed gives the same run, another seed another one", () => {
  const [first, again, other] = ["seed=1", "seed=1", "seed=2"].map((seed) =>
    steadyMetrics(trainWhole(world, "miniature-papo", "trainer.maxSteps=2", seed)),
  );
  expect(first).toHaveLength(2);
  expect(again).toEqual(first);
  expect(other?.map((line) => line["actor/total_loss"])).not.toEqual(first?.map((line) => line["actor/total_loss"]));
});

test("one thread and two sample the same responses", () => {
  const [one, two] = [1, 2].map((threads) => {
    const run = trainWhole(world, "miniature-grpo", "trainer.maxSteps=1", `trainer.threads=${threads}`);
    return jsonLines(join(run, "samples", "step-000001.jsonl")).map(({ text }) => text);
  });
  expect(one).toHaveLength(12);
  expect(two).toEqual(one);
});
