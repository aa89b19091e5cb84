import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BenchmarkItem, GradedResponse } from "../../lib/eval/benchmarks/item.ts";
import { averagesOf, type RowFacts, summarizeBenchmark } from "../../lib/eval/benchmarks/summary.ts";
import { markdownOf } from "../../lib/eval/benchmarks/summary-markdown.ts";
import { tempFolder } from "../support/temp.ts";

const right: GradedResponse = { text: "", finishReason: "stop", numTokens: 3, extracted: "1", correct: true };
const wrong = (more: Partial<GradedResponse> = {}): GradedResponse => ({ ...right, extracted: "2", correct: false, ...more }); // prettier-ignore

function write(rows: readonly (readonly GradedResponse[])[]): string {
  const file = join(tempFolder(), "items.jsonl");
  const lines = rows.map((responses, row): BenchmarkItem => ({ id: `x/${row}`, file: "f", row, prompt: "", numImages: 0, answer: "1", rowHash: "h", responses })); // prettier-ignore
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return file;
}

const facts: RowFacts = {
  ...{
    id: "x",
    name: "X",
    group: "general",
    rowsExpected: 6,
    rowsSeen: 6,
    numOverlong: 1,
    n: 4,
    skipped: ["f:5: broken"],
  },
  ...{ numAsked: 4, numUnusable: 1, settingsFingerprint: "s" },
};

test("a benchmark's numbers are those worked out by hand", async () => {
  const file = write([
    [right, right, right, right],
    [right, right, wrong(), wrong({ finishReason: "length" })],
    [wrong(), wrong({ extracted: null, text: "?" }), wrong({ extracted: null, text: null, numTokens: null }), wrong({ extracted: "3" })], // prettier-ignore
  ]);
  const summary = await summarizeBenchmark(file, facts);
  // of 6 rows: 1 unusable from the start, 1 overlong, 4 asked, 3 in the file
  expect(summary).toMatchObject({ rows: 3, rowsSeen: 6, numSkipped: 2, numOverlong: 1, complete: false, n: 4 });
  expect(summary).toMatchObject({ meanTokens: 3, cutShare: 1 / 12, numUnboxed: 1, numWithoutText: 1 });
  // shares of right responses: 1, 1/2, 0; of the 27 equally likely draws of three rows, one each is all 0 and all 1
  expect(summary.avgAtN).toBeCloseTo(0.5, 12);
  expect(summary.interval).toEqual({ low: 0, high: 1 });
  // two of four right: 1 - C(2, 2) / C(4, 2) = 5/6
  expect(summary.passAt).toEqual({ 1: 0.5, 2: (1 + 5 / 6) / 3, 4: 2 / 3 });
  expect(summary.passAtN).toBe(2 / 3);
  // all; a tie of 1 and 2; a tie of 2 and 3
  expect(summary.majorityAtN).toBe(0.5);
  const whole = await summarizeBenchmark(file, { ...facts, rowsExpected: 3 });
  expect(whole.complete).toBe(true);
});

test("averages weigh benchmarks alike, and the table marks what is not complete", async () => {
  const one = await summarizeBenchmark(write([[right], [right], [right]]), { ...facts, n: 1, rowsExpected: 3 });
  const two = await summarizeBenchmark(write([[wrong()]]), { ...facts, n: 1, id: "y", name: "Y" });
  const other = { ...one, id: "z", name: "Z", group: "vision-dependent" as const };
  const averages = averagesOf([one, two, other]);
  expect(averages["general"]).toMatchObject({ benchmarks: ["x", "y"], avgAtN: 0.5, complete: false });
  expect(averages["overall"]?.avgAtN).toBeCloseTo(2 / 3, 12);
  expect(averages["vision-dependent"]?.complete).toBe(true);
  const text = markdownOf({ identity: { model: "m" }, settings: { n: 1 }, settingsFingerprint: "s", benchmarks: [one, two, other], averages, skipped: [], counters: {} }); // prettier-ignore
  expect(text).toContain("| X | general | 3 of 3 | 100.00 [100.00, 100.00] | 100.00 | 100.00 | 0.00 |");
  expect(text).toContain("| Y * | general | 1 of 6 | 0.00 [0.00, 0.00] |");
  expect(text).toContain("| **overall** * |");
  const none = await summarizeBenchmark(write([]), facts);
  expect(none).toMatchObject({ rows: 0, avgAtN: 0, interval: null, complete: false });
});
