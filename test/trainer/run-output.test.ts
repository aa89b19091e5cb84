// What a run of two steps with a reference, two passes of two optimizer steps and a validation shows and writes.
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { Progress } from "../../lib/trainer/progress.ts";
import { ResponseLengths } from "../../lib/trainer/response-lengths.ts";
import { train } from "../../lib/trainer/run.ts";
import type { Group } from "../../lib/types.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, trainWords, type World } from "../e2e/world.ts";

let world: World;
let out: string;
/** Tokens that each phase ended with, by name. */
const counted = new Map<string, number[]>();

beforeAll(async () => {
  world = await makeWorld();
  out = freshPath(world, "run");
  const spy = vi.spyOn(Progress.prototype, "phase").mockImplementation((name) => {
    let last = 0;
    return {
      update: (_done, numTokens = 0) => {
        last = Math.round(numTokens);
      },
      [Symbol.dispose]: () => void counted.set(name, [...(counted.get(name) ?? []), last]),
    };
  });
  const settings = {
    "data.val": world.data,
    "data.valBatchSize": 4,
    "algorithm.epochs": 2,
    "algorithm.klRef.mode": "loss",
    "rollout.val.n": 1,
    "trainer.maxSteps": 2,
    "trainer.valBeforeTrain": false,
    "trainer.valFreq": 1,
    "trainer.samplesPerStep": 2,
    "trainer.outDir": out,
  };
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  const config = loadRunConfig([...trainWords(world, "miniature-papo", "").slice(1, -2), ...words]);
  await train(config, { say: () => undefined, stdout: { write: () => true } });
  spy.mockRestore();
}, 120_000);
afterAll(() => {
  removeWorld(world);
});

test("the tokens of responses under way are guessed by the mean of those before", () => {
  const lengths = new ResponseLengths();
  expect(lengths.estimate(7)).toBe(0);
  const responses = [3, 4].map((length) => ({ ids: new Int32Array(length) }));
  lengths.add([{ responses } as unknown as Group]);
  expect(lengths.numTokens).toBe(7);
  expect(lengths.estimate(3)).toBe(10.5);
});

test("rollout, scoring, update and validation end with the tokens that they handled", () => {
  const totals = jsonLines(join(out, "metrics.jsonl")).map((line) => {
    const responses = Number(line["response_length/mean"]) * 12; // 4 prompts of 3 responses
    return { responses: Math.round(responses), all: Math.round(responses + Number(line["prompt_length/mean"]) * 4) };
  });
  const all = totals.map((total) => total.all);
  expect(counted.get("old log-probs and masked pictures")).toEqual(all);
  expect(counted.get("reference")).toEqual(all);
  expect(counted.get("update")).toEqual(all.map((tokens) => 2 * tokens));
  expect(counted.get("rollout")).toEqual([0, totals[0]?.responses]);
  expect(Math.min(...(counted.get("validation") ?? [0]))).toBeGreaterThan(0);
});

test("samples have each response's KL to the masked picture and to the reference", () => {
  const [first, second] = [1, 2].map((step) => jsonLines(join(out, "samples", `step-00000${step}.jsonl`)));
  expect(first).toHaveLength(6); // 2 groups of 3
  expect(first?.map(({ klRef }) => klRef)).toEqual([0, 0, 0, 0, 0, 0]); // the policy is the reference
  for (const line of second ?? []) expect(line).toMatchObject({ klRef: expect.any(Number) as number });
  expect(second?.some(({ klRef }) => klRef !== 0)).toBe(true);
  for (const line of second ?? []) expect(line).toMatchObject({ klPrcp: expect.any(Number) as number });
});

test("samples have each response token by token, and the KL of the two log-probs is the response's", () => {
  const lines = jsonLines(join(out, "samples", "step-000001.jsonl"));
  for (const line of lines) {
    const { tokens, logProbs, maskedLogProbs } = line as Record<string, unknown[]>;
    const numTokens = Number(line["numTokens"]);
    expect([tokens?.length, logProbs?.length, maskedLogProbs?.length]).toEqual([numTokens, numTokens, numTokens]);
    expect(tokens?.join("").replaceAll(/<\|[a-z_]+\|>/gu, "")).toContain(line["text"]);
  }
  // The first optimizer step has the first half of the groups; its weights are those that sampled.
  const first = lines.slice(0, 3).map((line) => {
    const { logProbs = [], maskedLogProbs = [] } = line as Record<string, number[]>;
    const k3 = logProbs.map((value, token) => {
      const s = (maskedLogProbs[token] ?? 0) - value;
      return Math.exp(s) - s - 1;
    });
    return k3.reduce((sum, value) => sum + value, 0) / k3.length;
  });
  for (const [response, kl] of first.entries()) expect(kl).toBeCloseTo(Number(lines[response]?.["klPrcp"]), 3);
});

test("samples have the picture and what the masked branch saw of it", async () => {
  const [line] = jsonLines(join(out, "samples", "step-000001.jsonl"));
  const [picture] = line?.["pictures"] as { plain: string; masked: string[] }[];
  const pixels = async (name = "") =>
    await sharp(join(out, "samples", name))
      .raw()
      .toBuffer();
  const [plain, masked] = [await pixels(picture?.plain), await pixels(picture?.masked[0])];
  expect(masked).toHaveLength(plain.length);
  const isEqual = (index: number) => masked[index] === plain[index];
  const share = [...plain.keys()].filter((index) => !isEqual(index) && masked[index] === 0).length / plain.length;
  expect(share).toBeGreaterThan(0.1); // 60 % of the cells are black, but black paper is black before
  expect([...plain.keys()].every((index) => isEqual(index) || masked[index] === 0)).toBe(true);
});

test("validations write responses of the same rows", () => {
  const [first, second] = [1, 2].map((step) => jsonLines(join(out, "samples", `val-step-00000${step}.jsonl`)));
  const rows = jsonLines(world.data).map(({ id }) => id);
  expect(first?.map(({ id }) => id)).toEqual([rows[0], rows[4]]);
  expect(second?.map(({ id }) => id)).toEqual([rows[0], rows[4]]);
  expect(first?.[0]).toMatchObject({ step: 1, response: 0, "reward/overall": expect.any(Number) as number });
  expect(first?.[0]).not.toHaveProperty("advantage");
});
