import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { lastBoxed } from "../../lib/reward/grader/boxed.ts";
import { formatReward, tightenTags } from "../../lib/reward/format.ts";
import { gradeAnswer } from "../../lib/reward/grader/grade.ts";
import type { RewardConfig } from "../../lib/config/schema.ts";
import { createReward, type RewardItem } from "../../lib/reward/reward.ts";
import { overlongPenalty } from "../../lib/reward/overlong.ts";
import { dataRows, withKeys } from "../support/data.ts";

const published: RewardConfig = {
  type: "math",
  grader: "mathruler",
  graderTimeoutMs: 20_000,
  formatWeight: 0.1,
  thinking: false,
  timeoutMs: 1000,
  kwargs: {},
  overlong: null,
};
const surroundings = { compat: "none", maxResponseLength: 20 } as const;

function item(response: string, answer: string, responseLength = 1): RewardItem {
  return { response, responseLength, problem: "", answer, extra: {}, id: "1" };
}

interface Row {
  response: string;
  ground_truth: string;
  papo_reward?: { overall: number; format: number; accuracy: number };
}

test("real responses get the published reward", async () => {
  const judged = dataRows("model_outputs", "judged responses", withKeys("papo_reward")) as unknown as Row[];
  await using scorer = await createReward(published, surroundings);
  const rewards = await scorer.score(judged.map((row) => item(row.response, row.ground_truth)));
  const expected = judged.map((row) => row.papo_reward);
  expect(rewards.map(({ format, accuracy }) => ({ format, accuracy }))).toEqual(
    expected.map((reward) => ({ format: reward?.format, accuracy: reward?.accuracy })),
  );
  for (const [index, { overall }] of rewards.entries()) expect(overall).toBeCloseTo(expected[index]?.overall ?? 2, 12);
});

test("white space around <, > and / goes", () => {
  expect(tightenTags(" < think >\n a b < / think > 1 / 2 ")).toBe("<think>a b</think>1/2 ");
  expect(tightenTags("a b")).toBe("a b");
});

test.each([
  ["<think>a</think>\\boxed{1}", 1, 1],
  ["<think>a\n</think>b\n\\boxed{1}\nc", 1, 1],
  ["<think></think></think>\\boxed{}", 1, 1],
  ["a</think>\\boxed{1}", 0, 1],
  [" <think>a</think>\\boxed{1}", 0, 1],
  ["<think>\\boxed{1}</think>", 0, 0],
  ["<think>a</think>\\boxed{1", 0, 0],
  ["<think>a\\boxed{1}", 0, 0],
  ["", 0, 0],
])("the format of %j counts %d, with an opened thought %d", (response, plain, thinking) => {
  expect(formatReward(response)).toBe(plain);
  expect(formatReward(response, true)).toBe(thinking);
});

test("overall weighs accuracy and format", async () => {
  await using scorer = await createReward({ ...published, formatWeight: 0.25 }, surroundings);
  const rewards = await scorer.score([
    item("<think>a</think>\\boxed{4}", "4"),
    item("\\boxed{4}", "4"),
    item("<think>a</think>\\boxed{5}", "4"),
    item("4", "4"),
  ]);
  expect(rewards).toEqual([
    { overall: 1, format: 1, accuracy: 1 },
    { overall: 0.75, format: 0, accuracy: 1 },
    { overall: 0.25, format: 1, accuracy: 0 },
    { overall: 0, format: 0, accuracy: 0 },
  ]);
  expect(scorer.counters).toEqual({ unboxed: 1, symbolicSkipped: 0 });
});

test("a response without a box is wrong even where the answer is None, unless the reference is to be matched", async () => {
  const items = [item("no box", "None"), item("\\boxed{None}", "None")];
  await using scorer = await createReward(published, surroundings);
  expect((await scorer.score(items)).map(({ accuracy }) => accuracy)).toEqual([0, 1]);
  await using reference = await createReward(published, { ...surroundings, compat: "reference" });
  expect((await reference.score(items)).map(({ accuracy }) => accuracy)).toEqual([1, 1]);
});

test("the grader is the one that is set", async () => {
  const items = [
    item("\\boxed{x \\in [1, 2]}", "1 \\le x \\le 2"),
    item("\\boxed{50\\%}", "0.5"),
    item("\\boxed{8}", "7"),
  ];
  const accuracies = async (grader: RewardConfig["grader"]) => {
    await using scorer = await createReward({ ...published, grader }, surroundings);
    return (await scorer.score(items)).map(({ accuracy }) => accuracy);
  };
  expect(await accuracies("mathruler")).toEqual([0, 0, 0]);
  expect(await accuracies("symbolic")).toEqual([1, 1, 0]);
});

test("an answer that cannot be graded within the limits is wrong and counted, and scoring goes on", async () => {
  await using scorer = await createReward({ ...published, grader: "symbolic" }, surroundings);
  const items = [item("\\boxed{\\sum_{n=1}^{10^8} n}", "5000000050000000"), item("\\boxed{2x}", "x+x")];
  expect((await scorer.score(items)).map(({ accuracy }) => accuracy)).toEqual([0, 1]);
  expect(scorer.counters).toEqual({ unboxed: 0, symbolicSkipped: 1 });
});

test("a raised signal stops scoring with its reason", async () => {
  await using scorer = await createReward(published, surroundings);
  await expect(scorer.score([item("", "")], AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
});

test("the overlong penalty grows over the last tokens before the limit", () => {
  // L = 20, c = 8: 12 tokens are free, 16 cost (16 - 12) / 8, 20 and more cost 1.
  const options = { maxLength: 20, cacheLength: 8 };
  expect([0, 12, 16, 20, 99].map((length) => overlongPenalty(length, options))).toEqual([0, 0, 0.5, 1, 1]);
});

test("overlong shaping lowers overall and nothing else", async () => {
  await using scorer = await createReward({ ...published, overlong: { cacheLength: 8 } }, surroundings);
  expect(await scorer.score([item("<think></think>\\boxed{4}", "4", 16)])).toEqual([
    { overall: 0.5, format: 1, accuracy: 1, overlong: 0.5 },
  ]);
  expect(scorer.counters).toEqual({ unboxed: 0, symbolicSkipped: 0 });
});

const openings = [
  "{",
  "}",
  "[",
  "\\boxed{",
  "\\frac{",
  "\\sqrt[",
  "\\sqrt",
  "\\text{",
  "\\begin{pmatrix}",
  "\\begin{",
  "\\(",
];
const runs = [
  " ",
  "\n",
  "<",
  "< ",
  "1",
  "1,234,",
  "1 ",
  "- ",
  "^ ",
  "&",
  "\\\\",
  "' ",
  "_1",
  "cm ",
  ",\\! ",
  "0/",
  "(1,",
  "\\{",
  "e9",
];
const hostile = [...openings, ...runs];

test.each(hostile)("repeating %j a hundred thousand times is scored in bounded time", (piece) => {
  const grade = () => {
    // A truth of the same kind, so that the answer is not settled by the first comparison.
    const short = piece.repeat(9000 / piece.length);
    gradeAnswer(`${short}2`, `${short}1`);
    gradeAnswer(`1${short}`, `2${short}x`);
    for (const response of [
      piece.repeat(100_000),
      `<think></think>\\boxed{${piece.repeat(100_000)}}`,
      `\\boxed{${short}}`,
    ]) {
      formatReward(tightenTags(response), true);
      gradeAnswer(lastBoxed(tightenTags(response)) ?? "", short);
    }
  };
  // The limit is there to turn a hang into a failure; linear work takes milliseconds.
  runInNewContext("grade()", { grade }, { timeout: 20_000 });
});
