// Failures between a step's update and its line in metrics.jsonl: the step is saved, and a resumed run finishes it.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPapo } from "../support/processes.ts";
import { freshPath, makeWorld, removeWorld, steadyMetrics, trainWhole, trainWords } from "./world.ts";
import type { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

/** A reward that throws in its call of the number that the file `at` holds, while the file is there. */
function failingReward(at: string): string {
  const file = join(world.dir, "failing.mjs");
  writeFileSync(
    file,
    `import { existsSync, readFileSync } from "node:fs";
    let calls = 0;
    export function computeReward(items) {
      calls += 1;
      const at = ${JSON.stringify(at)};
      if (existsSync(at) && Number(readFileSync(at, "utf8")) === calls) throw new Error("no more");
      return items.map(({ response }) => ({ overall: response.length % 3 }));
    }`,
  );
  return file;
}

// Calls: steps 1 and 2, the validation of step 2, steps 3 and 4, the validation of step 4.
test.for([
  [3, 2],
  [6, 4],
] as const)(
  "a failure in call %i, a validation, saves step %i, which a resumed run validates and logs",
  ([call, step]) => {
    const at = join(world.dir, "at");
    const settings = ["maxSteps=4", "valFreq=2", "valBeforeTrain=false", "saveFreq=-1"];
    const more = [
      `data.val=${world.data}`,
      `reward.type=${failingReward(at)}`,
      ...settings.map((setting) => `trainer.${setting}`),
    ];
    const whole = trainWhole(world, "miniature-grpo", ...more);
    writeFileSync(at, String(call));
    const out = freshPath(world, "run");
    const words = trainWords(world, "miniature-grpo", out, ...more);
    const failed = runPapo(words);
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain(`saved step ${step}; go on with --resume\n`);
    expect(steadyMetrics(out)).toHaveLength(step - 1);
    rmSync(at);
    expect(runPapo([...words, "--resume"])).toMatchObject({ status: 0, stderr: "" });
    expect(steadyMetrics(out)).toEqual(steadyMetrics(whole));
    const state = (run: string) => readFileSync(join(run, "checkpoints", "step-000004", "trainer.json"), "utf8");
    expect(state(out)).toBe(state(whole));
  },
);
