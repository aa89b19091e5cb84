import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeTinyModel } from "../../lib/miniature/model.ts";
import { runPapo } from "../support/processes.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, startPapo } from "./world.ts";
import type { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

interface Item {
  id: string;
  answer: string;
  prompt: string;
  responses: { text: string; numTokens: number; finishReason: string; reward: { overall: number } }[];
}

function evalWords(out: string, ...more: string[]): string[] {
  const { model, data, reward } = world;
  const settings = ["--n", "2", "--max-tokens", "8", "--batch", "2", "--reward", reward];
  return ["eval", "--model", model, "--data", data, "--out", out, ...settings, ...more];
}

const itemsOf = (file: string) => jsonLines(file) as unknown as Item[];
const picture = () => join(dirname(world.data), (jsonLines(world.data)[0]?.images as string[])[0] ?? "");

test("papo eval writes every row once and the means over all responses", () => {
  const out = freshPath(world, "eval");
  const run = runPapo(evalWords(out));
  expect(run).toMatchObject({ status: 0, stderr: "" });
  const items = itemsOf(join(out, "items.jsonl"));
  expect(items.map(({ id }) => id)).toEqual(jsonLines(world.data).map(({ id }) => id));
  expect(items[0]?.prompt).toContain("<|image_pad|>");
  const overall = items.flatMap(({ responses }) => responses.map(({ reward }) => reward.overall));
  expect(overall).toHaveLength(16);
  const mean = overall.reduce((sum, value) => sum + value, 0) / 16;
  expect(mean).toBeGreaterThan(0);
  const summary = JSON.parse(run.stdout) as { rows: number; n: number; average: { overall: number } };
  expect(summary).toMatchObject({ rows: 8, n: 2, numSkipped: 0, numOverlong: 0 });
  expect(summary.average.overall).toBeCloseTo(mean, 12);
  expect(JSON.parse(readFileSync(join(out, "summary.json"), "utf8"))).toEqual(summary);
});

test("an evaluation that was killed ends with the same file and repeats nothing", async () => {
  const whole = freshPath(world, "whole.jsonl");
  const long = ["--max-tokens", "300", "--batch", "1"];
  expect(runPapo(evalWords(whole, ...long)).status).toBe(0);
  const out = freshPath(world, "killed.jsonl");
  const papo = startPapo(evalWords(out, ...long));
  await papo.until(() => existsSync(out) && jsonLines(out).length >= 2);
  papo.child.kill("SIGKILL");
  await papo.ended;
  const before = readFileSync(out, "utf8");
  expect(itemsOf(out).length).toBeLessThan(8);
  appendFileSync(out, '{"id":"mini-rl-1-00000'); // as a kill within a write leaves it
  expect(runPapo(evalWords(out, ...long))).toMatchObject({ status: 0, stderr: "" });
  expect(readFileSync(out, "utf8").startsWith(before)).toBe(true);
  expect(readFileSync(out)).toEqual(readFileSync(whole));
  expect(readdirSync(dirname(out)).toSorted()).toEqual(["killed.jsonl", "killed.settings.json", "killed.summary.json"]);
});

test("Ctrl-C keeps the finished rows, and the next start does the rest", async () => {
  const out = freshPath(world, "eval");
  const words = evalWords(out, "--max-tokens", "300", "--batch", "1");
  const papo = startPapo(words);
  const items = join(out, "items.jsonl");
  await papo.until(() => existsSync(items) && jsonLines(items).length >= 1);
  papo.child.kill("SIGINT");
  expect(await papo.ended).toBe(1);
  expect(papo.stderr()).toBe("\npapo: stopping; press Ctrl-C again to exit at once\npapo: interrupted\n");
  expect(runPapo(words).status).toBe(0);
  expect(itemsOf(items)).toHaveLength(8);
});

test("other settings or other weights never go into the same file", async () => {
  const out = freshPath(world, "eval");
  expect(runPapo(evalWords(out, "--limit", "2")).status).toBe(0);
  const before = readFileSync(join(out, "items.jsonl"), "utf8");
  const other = runPapo(evalWords(out, "--limit", "2", "--temperature", "0.5"));
  expect(other.status).toBe(1);
  expect(other.stderr).toBe(
    `papo: --out: ${join(out, "items.jsonl")} has rows of other settings (temperature was 1, is 0.5); name another --out\n`,
  );
  expect(readFileSync(join(out, "items.jsonl"), "utf8")).toBe(before);
  const model = freshPath(world, "model");
  await writeTinyModel(model, 2);
  expect(runPapo(evalWords(out, "--limit", "2", "--model", model)).stderr).toContain(
    "rows of other settings (model was",
  );
  const foreign = freshPath(world, "foreign.jsonl");
  writeFileSync(foreign, "{}\n");
  expect(runPapo(evalWords(foreign)).stderr).toMatch(/^papo: --out: expected .*foreign\.settings\.json beside .*\n$/u);
});

test("an unusable row is left out, counted and reported; too many of them stop it without a trace", () => {
  const rows = readFileSync(world.data, "utf8").split("\n").slice(0, 3);
  const data = join(dirname(world.data), "broken.jsonl");
  const broken = JSON.stringify({ id: "broken", problem: "<image>?", answer: "1", images: ["images/none.png"] });
  writeFileSync(data, [broken, ...rows, ""].join("\n"));
  const out = freshPath(world, "eval");
  const words = ["--data", data, "--temperature", "0"];
  const stopped = runPapo(evalWords(out, ...words));
  expect(stopped.status).toBe(1);
  expect(stopped.stderr).toMatch(
    /^papo: .*1 of 4 rows are unusable, more than maxSkippedShare 0\.05; first: .*none\.png.*\n$/u,
  );
  expect(existsSync(out)).toBe(false);
  const run = runPapo(evalWords(out, ...words, "--max-skipped-share", "0.5"));
  expect(run.status).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({ rows: 3, numSkipped: 1 });
  expect(run.stderr).toMatch(/^papo: 1 unusable rows left out, first: .*broken\.jsonl:1: .*none\.png.*\n$/u);
});

test("papo generate prints the same responses again, as text or as JSON lines", () => {
  const words = [
    "generate",
    "--model",
    world.model,
    "--prompt",
    "What is it?",
    "--image",
    picture(),
    "--max-tokens",
    "7",
  ];
  const greedy = runPapo(words);
  expect(greedy).toMatchObject({ status: 0, stderr: "" });
  expect(
    runPapo([...words, "--n", "2", "--json"])
      .stdout.trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toMatchObject([
    { index: 0, text: greedy.stdout.slice(0, -1), numTokens: 7, finishReason: "length" },
    { index: 1, text: greedy.stdout.slice(0, -1) },
  ]);
  const [first, other] = ["1", "2"].map((seed) => runPapo([...words, "--temperature", "1", "--seed", seed]).stdout);
  expect(runPapo([...words, "--temperature", "1", "--seed", "1"]).stdout).toBe(first);
  expect(other).not.toBe(first);
});

test.for([
  [["--image", "none.png"], /^papo: prompt: picture none\.png: cannot be read: ENOENT\n$/u],
  [
    ["--prompt", "<image> and <image>", "--image", "none.png"],
    /^papo: --prompt: expected one <image> mark a picture, got 2 for 1\n$/u,
  ],
  [["--image", "package.json"], /^papo: prompt: picture package\.json: not a PNG, .*\n$/u],
  [["--model", "none"], /^papo: none: no such folder, and not a hub id.*\n$/u],
  [["--format-prompt", "none"], /^papo: data\.formatPrompt: .*none cannot be read: ENOENT.*\n$/u],
] as const)("papo generate %s ends with one line", ([more, line]) => {
  const run = runPapo(["generate", "--model", world.model, "--prompt", "Hi", "--max-tokens", "4", ...more]);
  expect(run).toMatchObject({ status: 1, stdout: "" });
  expect(run.stderr).toMatch(line);
});
