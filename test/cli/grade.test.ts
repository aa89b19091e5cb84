import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { runNode } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";

function papoGrade(...args: readonly string[]) {
  const hooks = join(packageRoot, "test", "support", "ts.mjs");
  return runNode(["--import", hooks, join(packageRoot, "lib", "cli", "main.ts"), "grade", ...args]);
}

function pairs(): string {
  const path = join(tempFolder(), "pairs.jsonl");
  const rows = [
    { gold: "(0, 1)", pred: "0 < x < 1", judged: true },
    { gold: "\\frac{1}{2}", pred: "0.5", judged: true },
    { gold: "5000000050000000", pred: "\\sum_{n=1}^{10^8} n", judged: true },
    { gold: null, pred: "3", judged: true },
  ];
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

test("the agreement is printed as JSON, what was left out on stderr", () => {
  const path = pairs();
  const run = papoGrade(path, "--grader", "symbolic", "--against", "judged", "--json");
  expect(run.stderr).toBe(
    `papo: ${path}:4: gold: expected a text or a number, got null\n` +
      "papo: 1 unusable rows left out\n" +
      "papo: 1 answers ran over the limits of time or memory: wrong\n",
  );
  expect(JSON.parse(run.stdout)).toEqual({ rows: 3, agreement: 2 / 3 });
  expect(run.status).toBe(0);
});

test("without a column it counts right answers, for people or as JSON", () => {
  const path = pairs();
  expect(papoGrade(path, "--json").stdout).toBe('{"rows":3,"right":1}\n');
  expect(papoGrade(path).stdout).toMatch(/^3 rows, 1 right; \d+ rows\/s\n$/);
  expect(papoGrade(path, "--against", "judged").stdout).toMatch(
    /^3 rows, 33\.33 % as judged \(2 differ\); \d+ rows\/s\n$/,
  );
});

test("an unknown grader and a missing file end with one line", () => {
  expect(papoGrade("x.jsonl", "--grader", "sympy")).toMatchObject({ status: 2, stdout: "" });
  const run = papoGrade("no-such.jsonl");
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/^papo: no-such\.jsonl: cannot be read: ENOENT.*\n$/);
});
