import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPapo } from "../support/processes.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, startPapo, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

const words = (out: string, ...more: string[]) =>
  ["attention", "--model", world.model, "--data", world.data, "--out", out, "--samples", "6", "--max-tokens", "200", "--batch", "1", ...more]; // prettier-ignore
const itemsOf = (out: string) => join(out, "rl", "items.jsonl");

test("an analysis that was stopped and killed ends with the same files, nothing repeated or lost", async () => {
  const whole = freshPath(world, "whole");
  const run = runPapo(words(whole));
  expect(run).toMatchObject({ status: 0, stderr: "" });
  expect(run.stdout).toMatch(/\| rl \| 0\.\d{4} \| 0\.\d{4} \| 0\.\d{4} \| 6 \|\n$/u);
  const out = freshPath(world, "stopped");
  for (const [signal, numLines] of [
    ["SIGINT", 1],
    ["SIGKILL", 3],
  ] as const) {
    const papo = startPapo(words(out));
    await papo.until(() => existsSync(itemsOf(out)) && jsonLines(itemsOf(out)).length >= numLines);
    papo.child.kill(signal);
    await papo.ended;
    if (signal === "SIGINT") expect(papo.stderr()).toContain("papo: interrupted\n");
  }
  expect(jsonLines(itemsOf(out)).length).toBeLessThan(6);
  expect(runPapo(words(out)).status).toBe(0);
  expect(readFileSync(itemsOf(out), "utf8")).toBe(readFileSync(itemsOf(whole), "utf8"));
  expect(readFileSync(join(out, "summary.json"))).toEqual(readFileSync(join(whole, "summary.json")));
});

test.for([
  [["--benchmarks", "geo3k"], /^papo: --data: expected either --data or --benchmarks\n$/u],
  [["--out", "x.jsonl"], /^papo: --out: expected a folder, got x\.jsonl\n$/u],
  [["--min-pixels", "9", "--max-pixels", "8"], /^papo: --min-pixels: expected at most --max-pixels \(8\), got 9\n$/u],
  [["--samples", "0"], /^papo: option '--samples <count>' argument '0' is invalid\. Expected an integer >= 1\.\n$/u],
  [["--image-key", "picture"], /^papo: .*rl\.jsonl: 8 of 8 rows are unusable, .*\n$/u],
] as const)("papo attention %j ends with one line", ([more, line]) => {
  const run = runPapo(words(freshPath(world, "wrong"), ...more));
  expect(run).toMatchObject({ stdout: "" });
  expect(run.status).not.toBe(0);
  expect(run.stderr).toMatch(line);
});

test("a data set's columns do not go with benchmarks", () => {
  const run = runPapo(["attention", "--model", world.model, "--benchmarks", "mini-vision", "--image-key", "x", "--out", freshPath(world, "wrong")]); // prettier-ignore
  expect(run.stderr).toBe("papo: --image-key: expected in the benchmark's YAML file, not with --benchmarks\n");
});
