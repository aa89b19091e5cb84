// The quickstart as a stranger runs it: the shipped model, the built command line, its own run folder.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { runPapo } from "../support/processes.ts";
import { jsonLines } from "./world.ts";

/** Percentages of a line of the closing summary, before and after. */
function percentages(stdout: string, name: string): [number, number] {
  const line = new RegExp(`^ +${name} +([\\d.]+) % +([\\d.]+) %$`, "mu").exec(stdout);
  if (!line) throw new Error(`no line for ${name} in:\n${stdout}`);
  return [Number(line[1]), Number(line[2])];
}

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "papo-quickstart-"));
  return () => {
    rmSync(dir, { recursive: true, force: true });
  };
});

test("forty steps of PAPO teach the shipped model to read faint digits, greedily too, and leave an ordinary run", () => {
  const out = join(dir, "run");
  const { stdout, status } = runPapo(["quickstart", "--steps", "40", "--seed", "7", "--out", out]);
  expect(status).toBe(0);
  for (const kind of ["sampled", "greedy"]) {
    const [before, after] = percentages(stdout, `accuracy, ${kind}`);
    expect(before, kind).toBeGreaterThan(35);
    expect(before, kind).toBeLessThan(65);
    expect(after - before, kind).toBeGreaterThan(6);
  }
  const [, misread] = percentages(stdout, "responses with a misread digit");
  expect(percentages(stdout, "responses with a misread digit")[0]).toBeGreaterThan(misread);
  expect(jsonLines(join(out, "metrics.jsonl"))).toHaveLength(40);
  expect(stdout).toContain(`run folder: ${out}\n`);
  expect(existsSync(join(out, "checkpoints", "step-000040", "model.safetensors"))).toBe(true);
  const images = jsonLines(join(out, "data", "rl.jsonl")).flatMap(({ images }) => images as string[]);
  expect(images).toHaveLength(40 * 32);
});

test("a second run into the same folder is refused with the way to go on, and nothing of the first is touched", () => {
  const out = join(dir, "twice");
  expect(runPapo(["quickstart", "--steps", "1", "--out", out])).toMatchObject({ status: 0 });
  const before = readFileSync(join(out, "metrics.jsonl"), "utf8");
  const { stderr, status } = runPapo(["quickstart", "--steps", "1", "--out", out]);
  expect(stderr).toMatch(/^papo: trainer\.outDir: .* holds a run already: .*--resume, or name another --out\n$/u);
  expect(status).toBe(1);
  expect(readFileSync(join(out, "metrics.jsonl"), "utf8")).toBe(before);
});

test("a recipe of another world is refused before anything is written", () => {
  const out = join(dir, "foreign");
  onTestFinished(() => {
    expect(existsSync(out)).toBe(false);
  });
  const { stderr, status } = runPapo(["quickstart", "--recipe", "qwen2_5_vl_3b_grpo", "--out", out]);
  expect(stderr).toBe("papo: recipe: expected one of the miniature recipes, got qwen2_5_vl_3b_grpo\n");
  expect(status).toBe(1);
});
