import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPapo } from "../support/processes.ts";
import {
  freshPath,
  makeWorld,
  numLogged,
  removeWorld,
  startPapo,
  steadyMetrics,
  trainWhole,
  trainWords,
} from "./world.ts";
import type { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

const lastStep = "step-000006";

/** A run that is killed hard once step 2 is saved, and then resumed. */
async function trainKilled(recipe: string, ...more: string[]): Promise<string> {
  const out = freshPath(world, "run");
  const words = trainWords(world, recipe, out, ...more);
  const papo = startPapo(words);
  await papo.until(() => numLogged(out) >= 2 && existsSync(join(out, "checkpoints", "step-000002")));
  papo.child.kill("SIGKILL");
  expect(await papo.ended).toBe("SIGKILL");
  expect(existsSync(join(out, "checkpoints", lastStep))).toBe(false);
  expect(runPapo([...words, "--resume"])).toMatchObject({ status: 0, stderr: "" });
  return out;
}

function checkpointBytes(run: string, file: string): Buffer {
  return readFileSync(join(run, "checkpoints", lastStep, file));
}

test.for([
  ["GRPO with a reference", "miniature-grpo", [], []],
  ["PAPO with a reference and raw masks", "miniature-papo", ["aug.mode=raw"], []],
  [
    "DAPO's filter, bfloat16 with Kahan moments",
    "miniature-dapo-papo",
    ["optim.strategy=adamw_bf16", "model.dtype=bfloat16", "algorithm.filter.low=0"],
    [],
  ],
  [
    "an adaptive KL in the reward, warm-up and cosine",
    "miniature-grpo",
    [
      ...["mode=reward", "type=adaptive", "coef=0.02", "horizon=24"].map((word) => `algorithm.klRef.${word}`),
      ...["warmupRatio=0.5", "schedule=cosine"].map((word) => `optim.${word}`),
    ],
    ["critic/kl_coef", "actor/lr"],
  ],
  [
    "annealed perception KL with gradient, two passes of two optimizer steps",
    "miniature-papo",
    [
      "algorithm.klPrcp.schedule=annealing",
      "algorithm.epochs=2",
      "aug.grad=recompute",
      "algorithm.entropy.augCoef=0.01",
    ],
    ["actor/kl_prcp_coef"],
  ],
  [
    "a frozen vision tower, shared with the reference and by two passes with masks a response",
    "miniature-papo",
    [
      ...["model.freezeVisionTower=true", "algorithm.klRef.mode=loss", "algorithm.epochs=2"],
      ...["aug.grad=recompute", "aug.per=response"],
    ],
    [],
  ],
  [
    "dynamic sampling that drops groups, masks a response",
    "miniature-dapo-papo",
    ["data.miniRolloutBatchSize=3", "algorithm.filter.low=0.25", "aug.per=response"],
    ["rollout/rounds", "rollout/generated_groups"],
  ],
] as const)("%s: a run that was killed and resumed equals an uninterrupted one", async ([, recipe, more, moving]) => {
  const whole = trainWhole(world, recipe, ...more);
  const advantages = steadyMetrics(whole).map((line) => Number(line["critic/advantages/max"]));
  expect(advantages).toHaveLength(6);
  expect(Math.min(...advantages)).toBeGreaterThan(0.1); // rewards differ, so the weights move for every reason
  for (const name of moving)
    expect(new Set(steadyMetrics(whole).map((line) => line[name])).size, name).toBeGreaterThan(1);
  const resumed = await trainKilled(recipe, ...more);
  expect(steadyMetrics(resumed)).toEqual(steadyMetrics(whole));
  for (const file of ["model.safetensors", "optimizer.safetensors", "trainer.json"]) {
    expect(checkpointBytes(resumed, file).equals(checkpointBytes(whole, file)), file).toBe(true);
  }
});
