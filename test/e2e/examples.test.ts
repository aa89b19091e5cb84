import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { runNode } from "../support/processes.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, type World } from "./world.ts";

const examples = ["generate", "score-responses", "train-custom-reward"].map((name) => fileOf(name));

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

function fileOf(name: string): string {
  return join(packageRoot, "examples", `${name}.mjs`);
}

function runExample(name: string, ...args: string[]): string {
  const { status, stdout, stderr } = runNode([fileOf(name), ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

test("the examples have the types of the built package, as a program that installs it sees them", () => {
  const { NodeNext } = ts.ModuleKind;
  const program = ts.createProgram(examples, {
    ...{ target: ts.ScriptTarget.ES2023, lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"], types: ["node"] },
    ...{ module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, skipLibCheck: true },
    ...{ strict: true, noUncheckedIndexedAccess: true, allowJs: true, checkJs: true, noEmit: true },
  });
  const sources = program.getSourceFiles().map(({ fileName }) => fileName);
  expect(sources).toContain(join(packageRoot, "dist", "index.d.ts"));
  expect(ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText)).toEqual([]);
});

test("generate.mjs answers the question about the picture", () => {
  const lines = runExample("generate").trimEnd().split("\n");
  // One of the nine digits is a 0, in row 3 and column 2; the tiny model counts it.
  expect(lines[0]).toMatch(/^greedy: <think>.*<\/think>\\boxed\{1\}$/u);
  expect(lines.slice(1)).toHaveLength(4);
  for (const line of lines.slice(1))
    expect(line).toMatch(/^sampled: .*\\boxed\{\d\} \(\d+ tokens, stop, log-prob -\d+\.\d\d\)$/u);
});

test("score-responses.mjs prints the sampling's own log-probs and the KL of both views", () => {
  const tables = runExample("score-responses").split("response ").slice(1);
  expect(tables).toHaveLength(3);
  let largest = 0;
  for (const [index, table] of tables.entries()) {
    const rows = table.split("\n").filter((line) => /^ *\d+ +[-\d]/u.test(line));
    expect(rows.length).toBeGreaterThan(4);
    const kls = rows.map((row) => {
      const [, sampled = NaN, picture = NaN, masked = NaN, entropy = NaN, logRatio, klPrcp = NaN] = row.trim().split(/ +/u).map(Number); // prettier-ignore
      // Printed with four decimals.
      if (index < 2) expect(Math.abs(sampled - picture)).toBeLessThan(2e-4);
      expect(logRatio).toBeCloseTo(picture - masked, 3);
      const k3 = Math.min(10, Math.exp(masked - picture) - 1 + picture - masked);
      expect(Math.abs(klPrcp - k3)).toBeLessThan(1e-3 * (1 + k3));
      expect(entropy).toBeGreaterThanOrEqual(0);
      return klPrcp;
    });
    const mean = kls.reduce((sum, kl) => sum + kl, 0) / kls.length;
    expect(Number(/mean KL_prcp (\d+\.\d+)/u.exec(table)?.[1])).toBeCloseTo(mean, 3);
    largest = Math.max(largest, ...kls);
  }
  expect(largest).toBeGreaterThan(0.5);
});

test("train-custom-reward.mjs trains on the function's numbers", () => {
  const out = freshPath(world, "run");
  const stdout = runExample("train-custom-reward", out);
  const metrics = jsonLines(join(out, "metrics.jsonl"));
  expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3]);
  for (const line of metrics) {
    const part = (name: string) => line[`reward/${name}`] as number;
    // What the function says of its parts, and brevity from the lengths that the trainer itself counts.
    expect(part("overall")).toBeCloseTo(0.8 * part("accuracy") + 0.1 * part("brevity") + 0.1 * part("reading"), 6);
    expect(part("brevity")).toBeCloseTo(1 - (line["response_length/mean"] as number) / 40, 6);
    expect(stdout).toContain(`step ${String(line["step"])}: overall ${part("overall").toFixed(3)}`);
  }
  const record = JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as { config: { reward: unknown } };
  expect(record.config.reward).toMatchObject({ type: "function" });
  expect(stdout).toContain(`checkpoint: ${join(out, "checkpoints", "step-000003")}`);
});
