import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { benchmarkSchema, type Benchmark } from "../../lib/eval/benchmarks/benchmark.ts";
import { type BenchmarkItem, shortHash } from "../../lib/eval/benchmarks/item.ts";
import { defaultSettings, settingsFingerprint } from "../../lib/eval/benchmarks/settings.ts";
import { averagesOf, summarizeBenchmark } from "../../lib/eval/benchmarks/summary.ts";
import { intervalOf, resampledMeans } from "../../lib/eval/bootstrap.ts";
import { compareEvaluations, comparisonMarkdown } from "../../lib/eval/compare/compare.ts";
import { tempFolder } from "../support/temp.ts";

const paired = (id: string, values: readonly number[]) => ({ id, values: Float64Array.from(values) });

test("resampled means are spread as all equally likely draws are", () => {
  const values = [0, 1, 4];
  const drawn = resampledMeans(paired("mine", values), 27_000, 1);
  const expected = new Map<number, number>();
  for (const a of values) for (const b of values) for (const c of values) expected.set(a + b + c, (expected.get(a + b + c) ?? 0) + 1); // prettier-ignore
  for (const [sum, count] of expected) {
    const share = drawn.filter((mean) => Math.abs(mean * 3 - sum) < 1e-9).length / drawn.length;
    // five standard deviations of a share of 27,000 draws
    expect(Math.abs(share - count / 27)).toBeLessThan(5 * Math.sqrt(count / 27 / 27_000));
  }
});

test("intervals have the width that the normal distribution gives many rows, and averages weigh benchmarks alike", () => {
  const one = paired(
    "one",
    Array.from({ length: 900 }, (_, at) => (at % 3) - 1),
  ); // mean 0, variance 2/3
  const two = paired(
    "two",
    Array.from({ length: 100 }, (_, at) => at % 2),
  ); // mean 1/2, variance 1/4
  const rows = [one, two];
  const means = rows.map((row) => resampledMeans(row, 20_000, 0));
  const both = intervalOf(rows, means);
  const half = 1.96 * 0.5 * Math.sqrt(2 / 3 / 900 + 1 / 4 / 100);
  expect(both.mean).toBeCloseTo(0.25, 12);
  expect(Math.abs(both.high - both.mean - half)).toBeLessThan(0.05 * half);
  expect(Math.abs(both.mean - both.low - half)).toBeLessThan(0.05 * half);
  // alone or beside others, a benchmark has the same interval
  expect(intervalOf([one], means.slice(0, 1))).toEqual(intervalOf([one], [resampledMeans(one, 20_000, 0)]));
  expect(intervalOf([one], [resampledMeans(one, 20_000, 3)])).not.toEqual(intervalOf([one], means.slice(0, 1)));
});

interface Written {
  readonly id: string;
  readonly group?: Benchmark["group"];
  /** Right responses of 4, a row each. */
  readonly correct: readonly number[];
  readonly settings?: Partial<typeof defaultSettings>;
  readonly question?: string;
  readonly grader?: Benchmark["grader"];
  readonly rowsExpected?: number;
}

async function writeEvaluation(benchmarks: readonly Written[], model: string): Promise<string> {
  const out = join(tempFolder(), model);
  const summaries = [];
  for (const {
    id,
    group = "general",
    correct,
    question = "Q",
    grader = "mathruler",
    rowsExpected,
    ...more
  } of benchmarks) {
    const dir = join(out, id);
    mkdirSync(dir, { recursive: true });
    const items = correct.map((count, row): BenchmarkItem => {
      const responses = Array.from({ length: 4 }, (_, at) => ({ text: "", finishReason: "stop" as const, numTokens: 5, extracted: at < count ? "1" : "2", correct: at < count })); // prettier-ignore
      return { id: `${id}/${row}`, file: "rows", row, prompt: "", numImages: 0, answer: "1", rowHash: shortHash([question, row]), responses }; // prettier-ignore
    });
    writeFileSync(join(dir, "items.jsonl"), items.map((item) => `${JSON.stringify(item)}\n`).join(""));
    const benchmark = { ...benchmarkSchema.parse({ group, grader, data: "rows" }), id, name: id };
    const settings = { ...defaultSettings, n: 4, ...more.settings };
    writeFileSync(join(dir, "settings.json"), JSON.stringify({ engine: "papo", model, ...settings, benchmark }));
    const summary = await summarizeBenchmark(join(dir, "items.jsonl"), {
      ...{ id, name: id, group, n: 4, rowsExpected: rowsExpected ?? null, rowsSeen: correct.length, numOverlong: 0 },
      ...{ skipped: [], numAsked: correct.length, numUnusable: 0 },
      settingsFingerprint: settingsFingerprint(settings, benchmark),
    });
    writeFileSync(join(dir, "summary.json"), JSON.stringify(summary));
    summaries.push(summary);
  }
  expect(averagesOf(summaries)["overall"]?.benchmarks).toHaveLength(benchmarks.length);
  return out;
}

test("two evaluations give a row a benchmark, group and overall, the same each time", async () => {
  const a = await writeEvaluation([{ id: "x", correct: [4, 0, 2] }, { id: "y", group: "vision-dependent", correct: [1] }], "a"); // prettier-ignore
  const b = await writeEvaluation([{ id: "x", correct: [4, 2, 3] }, { id: "y", group: "vision-dependent", correct: [3] }], "b"); // prettier-ignore
  const comparison = await compareEvaluations(a, b, { resamples: 5000 });
  expect(comparison.rows.map(({ id }) => id)).toEqual(["x", "y", "general", "vision-dependent", "overall"]);
  // x: 6/12 and 9/12; y: 1/4 and 3/4
  expect(comparison.rows.map((row) => [row.a, row.b, row.difference])).toEqual([
    [0.5, 0.75, 0.25],
    [0.25, 0.75, 0.5],
    [0.5, 0.75, 0.25],
    [0.25, 0.75, 0.5],
    [0.375, 0.75, 0.375],
  ]);
  const [x, y] = comparison.rows;
  expect(x).toMatchObject({ low: 0, high: 0.5, numRows: 3, complete: true });
  expect(y).toMatchObject({ low: 0.5, high: 0.5 }); // one row has no spread
  expect(await compareEvaluations(a, b, { resamples: 5000 })).toEqual(comparison);
  expect(comparisonMarkdown(comparison)).toContain("| **overall** | 4 | 37.50 | 75.00 | +37.50 | [+");
  const chosen = await compareEvaluations(a, b, { resamples: 5000, benchmarks: ["x"] });
  expect(chosen.rows[0]).toEqual(x);
});

test("an evaluation that lacks rows which were expected is marked", async () => {
  const [a, b] = [await writeEvaluation([{ id: "x", correct: [4], rowsExpected: 2 }], "a"), await writeEvaluation([{ id: "x", correct: [4] }], "b")]; // prettier-ignore
  expect(comparisonMarkdown(await compareEvaluations(a, b, { resamples: 100 }))).toMatch(
    /\| x \* \|.*\\\* not all rows/su,
  );
});

test.for<[string, Omit<Written, "id">, RegExp]>([
  ["temperature", { correct: [4], settings: { temperature: 0.5 } }, /^x: expected the same settings, got temperature 1 and 0\.5$/u], // prettier-ignore
  ["n", { correct: [4], settings: { n: 8 } }, /^x: expected the same settings, got n 4 and 8$/u],
  [
    "grader",
    { correct: [4], grader: "symbolic" },
    /^x: expected the same benchmark, got .*mathruler.* and .*symbolic/u,
  ],
  ["number of rows", { correct: [4, 1] }, /^x: expected the same rows, got 1 and 2; only one has x\/1$/u],
  [
    "question",
    { correct: [4], question: "other" },
    /^x: expected the same rows, got two questions or answers as x\/0$/u,
  ],
])("another %s is refused", async ([, other, text]) => {
  const a = await writeEvaluation([{ id: "x", correct: [4] }], "a");
  const b = await writeEvaluation([{ id: "x", ...other }], "b");
  await expect(compareEvaluations(a, b, { resamples: 100 })).rejects.toThrow(text);
});

test("another seed or model is taken; a benchmark that one lacks, or a folder of nothing, is named", async () => {
  const a = await writeEvaluation([{ id: "x", correct: [4] }], "a");
  const seeded = await writeEvaluation([{ id: "x", correct: [4], settings: { seed: 7 } }], "b");
  expect((await compareEvaluations(a, seeded, { resamples: 100 })).rows[0]?.difference).toBe(0);
  const more = await writeEvaluation([{ id: "x", correct: [4] }, { id: "z", correct: [1] }], "c"); // prettier-ignore
  await expect(compareEvaluations(a, more)).rejects.toThrow(/^z: expected in both evaluations, .*\/a has not evaluated it/u); // prettier-ignore
  await expect(compareEvaluations(a, tempFolder())).rejects.toThrow(
    /expected the --out folder of a finished papo eval/u,
  );
  await expect(compareEvaluations(a, join(a, "none"))).rejects.toThrow(/cannot be read: ENOENT$/u);
});
