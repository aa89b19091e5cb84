import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttentionOptions, runAttention } from "../../lib/analysis/attention/attention-run.ts";
import { attentionResults, type AttentionSummary, median } from "../../lib/analysis/attention/attention-summary.ts";
import { normalizedEntropy } from "../../lib/analysis/attention/image-attention.ts";
import { benchmarkOfData } from "../../lib/eval/benchmarks/data-benchmark.ts";
import { defaultSettings } from "../../lib/eval/benchmarks/settings.ts";
import { writeTinyModel } from "../../lib/miniature/model.ts";
import { table9 } from "../../lib/tables/table9.ts";
import { toMarkdown } from "../../lib/tables/render/markdown.ts";
import { Progress } from "../../lib/trainer/progress.ts";
import { runRef } from "../tables/support.ts";

let dir = "";
let model = "";
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "papo-attention-"));
  model = join(dir, "model");
  await writeTinyModel(model, 1);
  await sharp({ create: { width: 84, height: 56, channels: 3, background: "#c08040" } }).png().toFile(join(dir, "wide.png")); // prettier-ignore
  await sharp({ create: { width: 28, height: 28, channels: 3, background: "#204080" } }).png().toFile(join(dir, "one.png")); // prettier-ignore
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

test("the entropy of weights is 1 when they are even and 0 when one has all, whatever their sum", () => {
  expect(normalizedEntropy([0.02, 0.02, 0.02])).toBeCloseTo(1, 12);
  expect(normalizedEntropy([0, 0.3, 0, 0])).toBe(0);
  // shares 1/2, 1/4, 1/4: 3/2 log 2 over log 3
  expect(normalizedEntropy(Float64Array.of(0.2, 0.1, 0.1))).toBeCloseTo((1.5 * Math.log(2)) / Math.log(3), 12);
  expect(() => normalizedEntropy([1])).toThrow(RangeError);
});

test("a median is the middle value, or the mean of the two in the middle", () => {
  expect([median([3]), median([9, 1, 2]), median([4, 1, 3, 2])]).toEqual([3, 2, 2.5]);
});

const settings = { ...defaultSettings, n: 1, maxTokens: 5 } as const;
const quiet = new Progress({ isTTY: false, write: () => true } as unknown as NodeJS.WriteStream, {});

interface Row {
  readonly images: readonly string[];
}

/** A data set of the rows, analysed. */
async function analyse(name: string, rows: readonly Row[], more: Partial<AttentionOptions> = {}) {
  const data = join(dir, `${name}.jsonl`);
  const lines = rows.map(({ images }, row) => ({ id: `r${row}`, problem: `${"<image>".repeat(images.length)}What?`, answer: "1", images })); // prettier-ignore
  writeFileSync(data, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const out = join(dir, `${name}-out`);
  const benchmarks = [benchmarkOfData(data)];
  const summary = await runAttention({ model, benchmarks, settings, samples: 3, out, maxSkippedShare: 1, progress: quiet, ...more }); // prettier-ignore
  const items = readFileSync(join(out, name, "items.jsonl"), "utf8")
    .split("\n")
    .slice(0, -1);
  return { summary, items: items.map((line) => JSON.parse(line) as { id: string; numImageTokens: number; responses: { entropy: number }[] }) }; // prettier-ignore
}

const wide = { images: ["wide.png"] };

test("samples lie evenly over the rows, one response each, and the summary is their mean and median", async () => {
  const { summary, items } = await analyse(
    "even",
    Array.from({ length: 7 }, () => wide),
  );
  expect(items.map(({ id }) => id)).toEqual(["even/r0", "even/r2", "even/r4"]);
  expect(items.map(({ numImageTokens }) => numImageTokens)).toEqual([6, 6, 6]);
  const entropies = items.flatMap(({ responses }) => responses.map(({ entropy }) => entropy));
  expect(entropies).toHaveLength(3);
  const [found] = summary.benchmarks;
  expect(found).toMatchObject({ benchmark: "even", numSamples: 3, complete: true, numSkipped: 0 });
  expect(found?.mean).toBeCloseTo(entropies.reduce((sum, value) => sum + value, 0) / 3, 12);
  expect(found?.median).toBe([...entropies].sort((a, b) => a - b)[1]);
});

test("rows without a picture, with one image token or a broken picture are left out and counted", async () => {
  writeFileSync(join(dir, "broken.png"), "none");
  const rows = [{ images: [] }, wide, { images: ["one.png"] }, { images: ["broken.png"] }];
  const { summary, items } = await analyse("odd", rows, { samples: 9 });
  expect(items.map(({ id }) => id)).toEqual(["odd/r1"]);
  expect(summary.benchmarks[0]).toMatchObject({ numSamples: 1, complete: false, numSkipped: 3 });
  expect(summary.benchmarks[0]?.skipped.join("\n")).toMatch(/odd\.jsonl:1: expected a picture, got none\n.*:4: [^]*:3: expected two image tokens or more, got one/u); // prettier-ignore
  await expect(analyse("blind", [{ images: [] }], { maxSkippedShare: 0.05 })).rejects.toThrow("expected a picture, got none"); // prettier-ignore
});

test("items of other settings are refused, and items that are there need no model", async () => {
  const rows = [wide, wide];
  const first = await analyse("again", rows);
  expect((await analyse("again", rows, { threads: -1 })).summary).toEqual(first.summary); // no threads are set: nothing runs
  await expect(analyse("again", rows, { samples: 2 })).rejects.toThrow(/samples was 3, is 2/u);
});

test("a summary fills Table 9; a set without samples gives no result", async () => {
  const { summary } = await analyse("tabled", [wide]);
  const empty = { ...summary.benchmarks[0], benchmark: "none", mean: null, median: null } as AttentionSummary["benchmarks"][number]; // prettier-ignore
  const results = ["grpo", "papo_g"].flatMap((method) => attentionResults({ ...summary, benchmarks: [...summary.benchmarks, empty] }, runRef(method))); // prettier-ignore
  expect(results.map(({ benchmark, numSamples }) => [benchmark, numSamples])).toEqual([["tabled", 1], ["tabled", 1]]); // prettier-ignore
  const { table } = table9.make("mini", { attention: results });
  const mean = summary.benchmarks[0]?.mean?.toFixed(4) ?? "";
  expect(toMarkdown(table)).toContain(mean);
});
