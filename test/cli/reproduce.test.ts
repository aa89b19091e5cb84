import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { runPapo, temporaryFolder } from "../support/processes.ts";

const usageErrors: readonly [words: string[], text: RegExp][] = [
  [["table1", "--scale", "large"], /^papo: option '--scale <name>' argument 'large' is invalid\. .*paper, mini/u],
  [["table1", "--seeds", "0"], /Expected an integer from 1 to 100\./u],
  [["table1", "--only-seed", "one"], /Expected an integer >= 1\./u],
  [["table1", "--model", "5B=/models"], /Expected 3B=DIR or 7B=DIR\./u],
  [[], /^papo: missing required argument 'names'$/mu],
];

test.each(usageErrors)("papo reproduce %j is a wrong command line", (words, text) => {
  const { status, stderr } = runPapo(["reproduce", ...words]);
  expect(stderr).toMatch(text);
  expect(status).toBe(2);
});

test("an unknown table is named with the nearest one, and nothing is written", () => {
  const cwd = temporaryFolder();
  const { status, stdout, stderr } = runPapo(["reproduce", "figure44"], { cwd });
  expect(stderr).toMatch(/^papo: NAME: expected all or names out of .*; got "figure44" \(did you mean figure4\?\)\n$/u);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(readdirSync(cwd)).toEqual([]);
});
