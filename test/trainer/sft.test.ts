import { truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import type { RunConfig } from "../../lib/config/schema.ts";
import { writeMiniature } from "../../lib/miniature/dataset.ts";
import { loadNative } from "../../lib/native/load.ts";
import { trainSupervised } from "../../lib/trainer/sft.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, type World } from "../e2e/world.ts";

let world: World;
let data: string;
beforeAll(async () => {
  world = await makeWorld();
  data = await writeMiniature(join(world.dir, "sft"), { split: "sft", seed: 1, count: 8, rows: 1, columns: 2 });
});
afterAll(() => {
  removeWorld(world);
});

function settings(out: string, more: Record<string, unknown>): RunConfig {
  const all = {
    "model.path": world.model,
    "data.train": data,
    "data.val": null,
    "data.rolloutBatchSize": 4,
    "optim.globalBatchSize": 4,
    "trainer.maxSteps": 3,
    "trainer.valBeforeTrain": false,
    "trainer.outDir": out,
    ...more,
  };
  return loadRunConfig(["miniature-grpo", ...Object.entries(all).map(([key, value]) => `${key}=${String(value)}`)], {
    groups: false,
  });
}

/** Trains with nothing printed. */
async function train(config: RunConfig, signal?: AbortSignal) {
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const stdout = { write: () => true };
  const ended = await trainSupervised(config, { say, stdout, ...(signal ? { signal } : {}) }).catch(
    (error: unknown) => error as Error,
  );
  return { ended, said };
}

test("Ctrl-C in the gradient of a step saves the steps before it", async () => {
  const controller = new AbortController();
  const native = loadNative();
  const forwardBackward = native.forwardBackward.bind(native);
  let calls = 0;
  const spy = vi.spyOn(native, "forwardBackward").mockImplementation((...args) => {
    if ((calls += 1) === 2) controller.abort();
    return forwardBackward(...args);
  });
  onTestFinished(() => {
    spy.mockRestore();
  });
  const { said } = await train(settings(freshPath(world, "run"), {}), controller.signal);
  expect(said).toEqual(["saved step 1; go on with --resume"]);
});

/** Three rows, the second's picture cut off after its header. */
async function validationSet(): Promise<string> {
  const file = await writeMiniature(freshPath(world, "val"), { split: "eval", seed: 1, count: 3, rows: 1, columns: 2 });
  const [image = ""] = jsonLines(file)[1]?.images as string[];
  truncateSync(join(dirname(file), image), 64);
  return file;
}

test("a validation leaves out a row whose picture is broken and says so", async () => {
  const file = await validationSet();
  const more = { "data.val": file, "trainer.valOnly": true, "data.maxSkippedShare": 0.5 };
  const out = freshPath(world, "run");
  const { ended, said } = await train(settings(out, more));
  expect(ended).toMatchObject({ numSteps: 0 });
  expect(said).toEqual([expect.stringMatching(/^validation: skipped .*eval\.jsonl:2: /u)]);
  expect(jsonLines(join(out, "metrics.jsonl"))).toEqual([
    expect.objectContaining({ step: 0, "val/sft_loss": expect.any(Number) as number }),
  ]);
  const { ended: refused } = await train(settings(freshPath(world, "run"), { ...more, "data.maxSkippedShare": 0.05 }));
  expect(refused).toMatchObject({ message: expect.stringMatching(/1 of 3 rows are unusable/u) as string });
});

test("Ctrl-C stops a validation", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const native = loadNative();
  const computeLogProbs = native.computeLogProbs.bind(native);
  const spy = vi.spyOn(native, "computeLogProbs").mockImplementation((...args) => {
    controller.abort(reason);
    return computeLogProbs(...args);
  });
  onTestFinished(() => {
    spy.mockRestore();
  });
  const config = settings(freshPath(world, "run"), { "data.val": data, "trainer.valOnly": true });
  expect((await train(config, controller.signal)).ended).toBe(reason);
});
