import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { rewardSchema } from "../../lib/config/schema-rollout.ts";
import { RewardError } from "../../lib/errors.ts";
import { checkRewards } from "../../lib/reward/check-rewards.ts";
import { ModuleScorer } from "../../lib/reward/module-reward.ts";
import { createReward, type RewardItem, type Scorer } from "../../lib/reward/reward.ts";

const folder = mkdtempSync(join(tmpdir(), "papo-reward-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const items: RewardItem[] = ["4", "five"].map((response, index) => {
  return { response, responseLength: 7, problem: "2+2?", answer: "4", extra: { kind: "sum" }, id: `row ${index}` };
});

let numModules = 0;
/** A scorer of a module with this text. */
async function scorerOf(text: string, timeoutMs = 20_000, kwargs: Record<string, unknown> = {}): Promise<Scorer> {
  numModules += 1;
  const path = join(folder, `reward-${numModules}.mjs`);
  writeFileSync(path, text);
  return await ModuleScorer.load({ path, timeoutMs, kwargs });
}

test("a module rewards a batch by all that it is given, and its parts are kept", async () => {
  await using scorer = await scorerOf(
    `export function computeReward(items, { bonus }) {
      return items.map((item) => ({ overall: Number(item.response === item.answer) + bonus, length: item.responseLength, sum: Number(item.extra.kind === "sum") }));
    }`,
    20_000,
    { bonus: 0.5 },
  );
  expect(await scorer.score(items)).toEqual([
    { overall: 1.5, length: 7, sum: 1 },
    { overall: 0.5, length: 7, sum: 1 },
  ]);
  expect(scorer.counters).toEqual({ unboxed: 0, symbolicSkipped: 0 });
});

test("a module may be async, a default export and stateful", async () => {
  await using scorer = await scorerOf(
    `let calls = 0;
    export default async function (items) {
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return items.map(() => ({ overall: calls }));
    }`,
  );
  const batches = await Promise.all([scorer.score(items), scorer.score(items)]);
  expect(batches.map(([reward]) => reward?.overall)).toEqual([1, 2]);
});

test("a time limit that no timer can keep is refused", () => {
  const parse = (timeoutMs: number) => rewardSchema.parse({ timeoutMs }).timeoutMs;
  expect(parse(2_147_483_647)).toBe(2_147_483_647);
  expect(() => parse(2_147_483_648)).toThrow("expected an integer");
});

test("messages that a module posts itself are no rewards and shift none", async () => {
  await using scorer = await scorerOf(
    `import { parentPort } from "node:worker_threads";
    parentPort.postMessage("loading");
    let calls = 0;
    export function computeReward(items) {
      parentPort.postMessage({ rewards: items.map(() => ({ overall: 99 })) });
      parentPort.postMessage(null);
      calls += 1;
      return items.map(() => ({ overall: calls }));
    }`,
  );
  for (const call of [1, 2, 3]) expect(await scorer.score(items)).toEqual([{ overall: call }, { overall: call }]);
});

test("a module that throws gives its message and place in one line, and the next batch still runs", async () => {
  await using scorer = await scorerOf(
    `export function computeReward(items) {
      if (items.length === 2) throw new RangeError("two is too many");
      return items.map(() => ({ overall: 1 }));
    }`,
  );
  const failure = await scorer.score(items).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(RewardError);
  expect(String(failure)).toMatch(
    /reward-\d+\.mjs: computeReward: RangeError: two is too many \(file:.*reward-\d+\.mjs:2:\d+\)$/,
  );
  expect(await scorer.score(items.slice(1))).toEqual([{ overall: 1 }]);
});

test.each([
  ["throws no error", `export const computeReward = () => { throw "plain text"; };`, "threw plain text"],
  ["rejects", `export const computeReward = () => Promise.reject(new Error("later"));`, "Error: later"],
  [
    "fails beside its answer",
    `export const computeReward = () => { setTimeout(() => { throw new Error("aside"); }); return new Promise(() => {}); };`,
    "the thread failed: Error: aside",
  ],
  [
    "ends its thread",
    `export const computeReward = () => process.exit(3);`,
    "the module ended its thread (exit code 3)",
  ],
  ["returns a function", `export const computeReward = () => [() => 1, 2];`, "could not be cloned"],
])("a module that %s gives one clear error", async (_, text, expected) => {
  await using scorer = await scorerOf(text);
  const failure = await scorer.score(items).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(RewardError);
  expect(String(failure)).toContain(expected);
});

test("a module that eats memory ends its thread, not the trainer", async () => {
  const path = join(folder, "hungry.mjs");
  writeFileSync(
    path,
    "export const computeReward = () => { const all = []; for (;;) all.push(new Array(1e6).fill(1.5)); };",
  );
  await using scorer = await ModuleScorer.load({ path, timeoutMs: 60_000, kwargs: {}, maxHeapMb: 64 });
  await expect(scorer.score(items)).rejects.toThrow(/hungry\.mjs: computeReward: the thread failed: .*memory limit/);
});

test.each([
  ["spins", "for (;;);"],
  ["never answers", "return new Promise(() => {});"],
])("a module that %s is stopped at the time limit and started again", async (_, hang) => {
  await using scorer = await scorerOf(
    `export function computeReward(items) {
      if (items.length === 2) { ${hang} }
      return items.map(() => ({ overall: 1 }));
    }`,
    1000,
  );
  await expect(scorer.score(items)).rejects.toThrow("computeReward: no answer within 1000 ms (reward.timeoutMs)");
  expect(await scorer.score(items.slice(1))).toEqual([{ overall: 1 }]);
});

test("a raised signal stops a hanging module with its reason", async () => {
  await using scorer = await scorerOf(`export const computeReward = () => { for (;;); };`);
  const controller = new AbortController();
  const scored = scorer.score(items, controller.signal);
  setTimeout(() => {
    controller.abort(new Error("interrupted"));
  }, 50);
  await expect(scored).rejects.toThrow("interrupted");
  await expect(scorer.score(items, controller.signal)).rejects.toThrow("interrupted");
});

test("a raised signal stops a module that hangs while it loads", async () => {
  const path = join(folder, "slow-start.mjs");
  writeFileSync(path, "for (;;);");
  const signal = AbortSignal.timeout(50);
  await expect(ModuleScorer.load({ path, timeoutMs: 60_000, kwargs: {} }, signal)).rejects.toThrow(/timeout/u);
});

test("a module that cannot be used is refused before training", async () => {
  await expect(scorerOf("export const reward = 1; export const other = 2;")).rejects.toThrow(
    "loading: TypeError: expected an exported function computeReward, got exports [other, reward]",
  );
  await expect(scorerOf("export const computeReward = ;")).rejects.toThrow("loading: SyntaxError");
  await expect(scorerOf("throw new Error('at import');")).rejects.toThrow("loading: Error: at import");
  await expect(scorerOf("for (;;);", 300)).rejects.toThrow("loading: no answer within 300 ms");
  const config = {
    type: "nowhere/absent.mjs",
    ...({ grader: "mathruler", graderTimeoutMs: 1000 } as const),
    formatWeight: 0,
    thinking: false,
    timeoutMs: 5000,
    kwargs: {},
    overlong: null,
  };
  const missing = createReward(config, { compat: "none", maxResponseLength: 8 });
  await expect(missing).rejects.toThrow(/^reward\.type nowhere\/absent\.mjs: loading: .*Cannot find module/s);
});

test("a closed scorer says so", async () => {
  const scorer = await scorerOf(`export const computeReward = () => [];`);
  await scorer.close();
  await expect(scorer.score([])).rejects.toThrow("the scorer is closed");
});

test.each([
  [undefined, "rewards: expected an array, got undefined"],
  [{ overall: [1, 2] }, "rewards: expected an array, got an object"],
  [[{ overall: 1 }], "rewards: expected 2 of them, one per response, got 1"],
  [[{ overall: 1 }, 1], "rewards[1]: expected an object such as { overall: 1 }, got 1"],
  [[{ overall: 1 }, null], "rewards[1]: expected an object such as { overall: 1 }, got null"],
  [[[1], [2]], "rewards[0]: expected an object such as { overall: 1 }, got an array"],
  [[{ overall: 1 }, { accuracy: 1 }], "rewards[1].overall: expected a finite number, got undefined"],
  [[{ overall: NaN }, { overall: 1 }], "rewards[0].overall: expected a finite number, got NaN"],
  [[{ overall: 1, format: "1" }, { overall: 1 }], 'rewards[0].format: expected a finite number, got "1"'],
  [[{ overall: 1, format: true }, { overall: 1 }], "rewards[0].format: expected a finite number, got true"],
  [[{ overall: Infinity }, { overall: 1 }], "rewards[0].overall: expected a finite number, got Infinity"],
])("%j is not accepted as rewards of two responses", (rewards, text) => {
  expect(() => checkRewards(rewards, 2, "my.mjs")).toThrow(new RewardError(`reward.type my.mjs: ${text}`));
});

test("an array with holes is not accepted", () => {
  expect(() => checkRewards(new Array(2), 2, "my.mjs")).toThrow("rewards[0]: expected an object");
});
