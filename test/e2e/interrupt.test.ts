import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
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

test("Ctrl-C in the rollout saves the last whole step in one line, and the run goes on from it", async () => {
  // Long responses: the rollout of step 2 takes about a second, and the signal comes within milliseconds of its start. If
  // it is late, the rewards of step 2 wait for it.
  const hold = join(world.dir, "hold");
  const reward = join(world.dir, "holding.mjs");
  writeFileSync(
    reward,
    `import { existsSync } from "node:fs";
    import { setTimeout as sleep } from "node:timers/promises";
    let calls = 0;
    export async function computeReward(items) {
      calls += 1;
      while (calls > 1 && existsSync(${JSON.stringify(hold)})) await sleep(20);
      return items.map(({ response }) => ({ overall: response.length % 3 }));
    }`,
  );
  const length = "data.maxResponseLength=400";
  const settings = [length, "trainer.maxSteps=3", "trainer.saveFreq=-1", `reward.type=${reward}`];
  writeFileSync(hold, "");
  const out = freshPath(world, "run");
  const words = trainWords(world, "miniature-grpo", out, ...settings);
  const papo = startPapo(words);
  await papo.until(() => numLogged(out) === 1);
  papo.child.kill("SIGINT");
  expect(await papo.ended).toBe(1);
  rmSync(hold);
  expect(papo.stderr().trim().split("\n")).toEqual([
    "papo: stopping; press Ctrl-C again to exit at once",
    "saved step 1; go on with --resume",
    "papo: interrupted",
  ]);
  expect(readdirSync(join(out, "checkpoints"))).toEqual(["step-000001"]);
  expect(runPapo([...words, "--resume"])).toMatchObject({ status: 0, stderr: "" });
  expect(steadyMetrics(out)).toEqual(steadyMetrics(trainWhole(world, "miniature-grpo", ...settings)));
});

test("Ctrl-C twice ends the process at once with 130, and the folder can be resumed", async () => {
  // The reward leaves a mark; scoring the 48,000 response tokens after it in one pass is the time for both signals.
  const mark = join(world.dir, "rewarded");
  const reward = join(world.dir, "marking.mjs");
  writeFileSync(
    reward,
    `import { writeFileSync } from "node:fs";
    export function computeReward(items) {
      writeFileSync(${JSON.stringify(mark)}, "");
      return items.map(({ response }) => ({ overall: response.length % 2 }));
    }`,
  );
  const out = freshPath(world, "run");
  const long = ["data.maxResponseLength=4000", "optim.microBatchTokens=100000"];
  const papo = startPapo(trainWords(world, "miniature-grpo", out, ...long, `reward.type=${reward}`));
  await papo.until(() => existsSync(mark));
  papo.child.kill("SIGINT");
  await papo.until(() => papo.stderr().includes("stopping"));
  papo.child.kill("SIGINT");
  expect(await papo.ended).toBe(130);
  expect(papo.stderr().trim()).toBe("papo: stopping; press Ctrl-C again to exit at once");
  expect(readdirSync(join(out, "checkpoints"))).toEqual([]);
  expect(runPapo([...trainWords(world, "miniature-grpo", out, "trainer.maxSteps=1"), "--resume"]).status).toBe(0);
});
