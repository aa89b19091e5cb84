import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { rewardSchema } from "../../lib/config/schema-rollout.ts";
import { RewardError } from "../../lib/errors.ts";
import { createReward, type RewardFunction, type RewardItem } from "../../lib/reward/reward.ts";

const items: RewardItem[] = ["4", "five"].map((response, index) => {
  return { response, responseLength: 7, problem: "2+2?", answer: "4", extra: { kind: "sum" }, id: `row ${index}` };
});

const scorerOf = (reward: RewardFunction | undefined, more: object = {}) =>
  createReward(rewardSchema.parse({ type: "function", timeoutMs: 20_000, ...more }), {
    ...{ compat: "none", maxResponseLength: 8, reward },
  });

async function failure(reward: unknown, more: object = {}): Promise<RewardError> {
  await using scorer = await scorerOf(reward as RewardFunction, more);
  const error = await scorer.score(items).catch((thrown: unknown) => thrown);
  if (!(error instanceof RewardError)) throw new Error(`expected a RewardError, got ${String(error)}`);
  return error;
}

test("a function rewards each response by all that it is given, in order", async () => {
  const seen: RewardItem[] = [];
  await using scorer = await scorerOf((item) => {
    seen.push(item);
    return { overall: Number(item.response === item.answer), length: item.responseLength };
  });
  expect(await scorer.score(items)).toEqual([
    { overall: 1, length: 7 },
    { overall: 0, length: 7 },
  ]);
  expect(seen).toEqual(items);
});

test("responses that wait do so together and keep their order", async () => {
  const waiting: (() => void)[] = [];
  await using scorer = await scorerOf(async ({ response }) => {
    await new Promise<void>((resolve) => {
      waiting.unshift(resolve);
      if (waiting.length === items.length) for (const go of waiting) go(); // the last one goes on first
    });
    return { overall: response.length };
  });
  expect(await scorer.score(items)).toEqual([{ overall: 1 }, { overall: 4 }]);
});

test("overlong shaping goes on top of it", async () => {
  await using scorer = await scorerOf(() => ({ overall: 1 }), { overlong: { cacheLength: 2 } });
  // 7 tokens of 8: half of the last two.
  expect(await scorer.score(items)).toMatchObject([{ overall: 0.5 }, { overall: 0.5 }]);
});

const wrongRewards: readonly (readonly [reward: () => unknown, text: string])[] = [
  [() => ({ overall: NaN }), "response 0 of row row 0.overall: expected a finite number, got NaN"],
  [() => ({ overall: 1, extra: Infinity }), "response 0 of row row 0.extra: expected a finite number, got Infinity"],
  [() => ({ accuracy: 1 }), "response 0 of row row 0.overall: expected a finite number, got undefined"],
  [() => 1, "response 0 of row row 0: expected an object such as { overall: 1 }, got 1"],
  [() => Promise.resolve(null), "response 0 of row row 0: expected an object such as { overall: 1 }, got null"],
];

test.for(wrongRewards)("what is no reward is refused: %#", async ([reward, text]) => {
  expect((await failure(reward)).message).toBe(`reward function: ${text}`);
});

test("what it throws is kept as the cause", async () => {
  const cause = new TypeError("no judge");
  const error = await failure(({ id }: RewardItem) => {
    if (id === "row 1") throw cause;
    return { overall: 0 };
  });
  expect(error.message).toBe("reward function: response 1 of row row 1: threw TypeError: no judge");
  expect(error.cause).toBe(cause);
});

test("a function that hangs is given up, and told so", async () => {
  let told: AbortSignal | undefined;
  const hangs: RewardFunction = (_item, signal) => {
    told = signal;
    return new Promise(() => undefined);
  };
  expect((await failure(hangs, { timeoutMs: 30 })).message).toBe(
    "reward function: no answer within 30 ms (reward.timeoutMs)",
  );
  expect(told?.aborted).toBe(true);
});

test("an abort stops the wait with the signal's reason", async () => {
  const controller = new AbortController();
  await using scorer = await scorerOf(() => new Promise(() => undefined));
  const scored = scorer.score(items, controller.signal);
  await sleep(1);
  controller.abort(new Error("enough"));
  await expect(scored).rejects.toThrow("enough");
  await expect(scorer.score(items, controller.signal)).rejects.toThrow("enough");
});

test("a run of a function cannot go on without it", async () => {
  await expect(scorerOf(undefined)).rejects.toThrow(
    new RewardError("reward.type function: expected the program's reward function, got none"),
  );
});
