import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError, DataError } from "../../lib/errors.ts";
import { gradeFile } from "../../lib/eval/grade-file.ts";
import { maxLineBytes, readLines } from "../../lib/eval/lines.ts";
import { readJsonl } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

function file(...lines: readonly (string | object)[]): string {
  const path = join(tempFolder(), "pairs.jsonl");
  writeFileSync(path, lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return path;
}

const mathruler = { grader: "mathruler", timeoutMs: 1000 } as const;
const symbolic = { grader: "symbolic", timeoutMs: 20_000 } as const;

test("rows are graded by the grader that is named and compared with the column that is named", async () => {
  const pairs = file(
    { gold: "1/2", pred: "\\frac12", is: true },
    { gold: "x < 1", pred: "-x > -1", is: true },
    { gold: "1", pred: "2", is: true },
    { gold: "1", pred: "2", is: 0 },
    { gold: 0.5, pred: 0.5 },
  );
  expect(await gradeFile(pairs, mathruler)).toMatchObject({ rows: 5, right: 2, agreement: null, skipped: 0 });
  // The fifth row has nothing to compare with; alike are the first and the fourth, and by meaning the second.
  expect(await gradeFile(pairs, { ...mathruler, against: "is" })).toMatchObject({ rows: 4, agreement: 0.5 });
  expect(await gradeFile(pairs, { ...symbolic, against: "is" })).toMatchObject({ rows: 4, agreement: 0.75 });
});

test("verdicts are written in the rows' order, whichever was ready first", async () => {
  const slow = { gold: "7", pred: "\\sum_{n=1}^{9000} \\frac{1}{n}" };
  const rows = Array.from({ length: 700 }, (_, index) =>
    index % 50 === 0 ? slow : { gold: "7", pred: String(index) },
  );
  const out = join(tempFolder(), "verdicts.jsonl");
  await gradeFile(file(...rows), { ...symbolic, out });
  expect(readJsonl(out)).toEqual(rows.map((row, index) => ({ row: index + 1, ...row, verdict: index === 7 })));
});

test("rows that are no pairs are left out, counted and told with their lines", async () => {
  const pairs = file(
    { gold: "1", pred: "1" },
    "",
    { gold: null, pred: "1" },
    { gold: "1" },
    "{gold: 1}",
    "[1, 2]",
    { gold: "1", pred: ["1"] },
    `{"gold": "1", "pred": "${"1".repeat(maxLineBytes)}"}`,
    { gold: "1", pred: "2" },
  );
  const out = join(tempFolder(), "verdicts.jsonl");
  const summary = await gradeFile(pairs, { ...mathruler, out });
  expect(summary).toMatchObject({ rows: 2, right: 1, skipped: 6 });
  expect(summary.reports.slice(0, 2)).toEqual([
    `${pairs}:3: gold: expected a text or a number, got null`,
    `${pairs}:4: pred: expected a text or a number, got nothing`,
  ]);
  expect(readJsonl(out).map(({ row, verdict }) => [row, verdict])).toEqual([
    [1, true],
    ...[3, 4, 5, 6, 7, 8].map((row) => [row, undefined]),
    [9, false],
  ]);
  expect(readJsonl(out)[6]).toEqual({ row: 8, reason: `the line is longer than ${maxLineBytes} bytes` });
});

test("a file without a usable row, a column without verdicts and a missing file are errors", async () => {
  const bad = file({ gold: null, pred: "1" });
  await expect(gradeFile(bad, mathruler)).rejects.toThrow(new DataError(bad, undefined, `no row to grade; ${bad}:1: gold: expected a text or a number, got null`)); // prettier-ignore
  const pairs = file({ gold: "1", pred: "1", is: "yes" });
  await expect(gradeFile(pairs, { ...mathruler, against: "is" })).rejects.toThrow(
    new ConfigError("--against", `no row of ${pairs} has true or false in the column is`),
  );
  await expect(gradeFile(join(tempFolder(), "none"), mathruler)).rejects.toThrow(/cannot be read: ENOENT/);
});

test("an output that cannot be written is an error before any work", async () => {
  const pairs = file({ gold: "1", pred: "1" });
  const folder = tempFolder();
  await expect(gradeFile(pairs, { ...mathruler, out: folder })).rejects.toThrow(/--out: expected the name of a file/);
  await expect(gradeFile(pairs, { ...mathruler, out: join(folder, "a", "b") })).rejects.toThrow(/there is no folder/);
});

test("a raised signal ends the grading and leaves no file", async () => {
  const rows = Array.from({ length: 2000 }, () => ({ gold: "7", pred: "\\sum_{n=1}^{9000} \\frac{1}{n}" }));
  const folder = tempFolder();
  const controller = new AbortController();
  const grading = gradeFile(file(...rows), { ...symbolic, out: join(folder, "out.jsonl"), signal: controller.signal });
  setTimeout(() => {
    controller.abort(new Error("enough"));
  }, 300);
  await expect(grading).rejects.toThrow("enough");
  expect(existsSync(join(folder, "out.jsonl"))).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});

test("lines are whole however the file is cut into pieces", async () => {
  const lines = Array.from({ length: 40 }, (_, index) => "äb€".repeat(index * 900));
  const found: (string | undefined)[] = [];
  for await (const { text } of readLines(file(...lines))) found.push(text);
  expect(found).toEqual(lines.filter((line) => line !== ""));
});
