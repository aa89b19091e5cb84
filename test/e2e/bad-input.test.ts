// Every wrong input of a training run: one line on stderr, exit code 1, and nothing half-written left behind.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPapo } from "../support/processes.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, trainWords } from "./world.ts";
import type { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

/** Trains with what `words` change and expects the one line. */
function expectRefused(words: readonly string[], line: RegExp, out = freshPath(world, "run")): string {
  const { status, stdout, stderr } = runPapo(trainWords(world, "miniature-grpo", out, ...words));
  expect(stderr).toMatch(line);
  expect(stderr.trim().split("\n"), stderr).toHaveLength(1);
  expect(stderr).not.toMatch(/\n\s+at /u);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  return out;
}

/** No half-written file, no checkpoint, no lock. */
function expectNoLeftovers(out: string): void {
  if (!existsSync(out)) return;
  const names = readdirSync(out, { recursive: true }).map(String);
  expect(names.filter((name) => /\.tmp-|\.lock|step-/u.test(name))).toEqual([]);
}

function changedModel(change: (dir: string) => void): string {
  const dir = freshPath(world, "model");
  cpSync(world.model, dir, { recursive: true });
  change(dir);
  return dir;
}

function changeJson(file: string, values: Record<string, unknown>): void {
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), ...values }));
}

/** Rewrites the header of the model's safetensors file, keeping its length. */
function changeHeader(dir: string, from: string, to: string): void {
  const file = join(dir, "model.safetensors");
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = bytes
    .toString("utf8", 8, 8 + length)
    .replace(from, to)
    .padEnd(length)
    .slice(0, length);
  bytes.write(header, 8);
  writeFileSync(file, bytes);
}

test.for([
  ["no checkpoint", () => join(world.dir, "none"), /^papo: .*none: no such folder, and not a hub id/u],
  [
    "another architecture",
    () =>
      changedModel((dir) => {
        changeJson(join(dir, "config.json"), { model_type: "llama" });
      }),
    /^papo: .*model: config\.json: .*model_type.*llama/u,
  ],
  [
    "truncated weights",
    () =>
      changedModel((dir) => {
        truncateSync(join(dir, "model.safetensors"), 1_000_000);
      }),
    /^papo: .*model\.safetensors/u,
  ],
  [
    "integer weights",
    () =>
      changedModel((dir) => {
        changeHeader(dir, '"F32"', '"I32"');
      }),
    /^papo: .*model.*I32/u,
  ],
  [
    "a tensor of another name",
    () =>
      changedModel((dir) => {
        changeHeader(dir, "model.norm.weight", "model.morn.weight");
      }),
    /^papo: .*model.*1 extra: model\.morn\.weight; 1 missing: model\.norm\.weight/u,
  ],
] as const)("checkpoint: %s", ([, path, line]) => {
  expectNoLeftovers(expectRefused([`model.path=${path()}`], line));
});

/** A data file of the world's rows with some changed. */
function changedRows(change: (row: Record<string, unknown>, index: number) => Record<string, unknown>): string {
  const file = join(dirname(world.data), `changed-${readdirSync(dirname(world.data)).length}.jsonl`);
  writeFileSync(
    file,
    jsonLines(world.data)
      .map((row, index) => `${JSON.stringify(change(row, index))}\n`)
      .join(""),
  );
  return file;
}

test.for([
  ["no file", () => join(world.dir, "none.jsonl"), /none\.jsonl: no such file or folder/u],
  [
    "no rows",
    () => {
      const file = join(world.dir, "empty.jsonl");
      writeFileSync(file, "");
      return file;
    },
    /empty\.jsonl: the data set has no rows/u,
  ],
  [
    "no answers",
    () => changedRows((row) => ({ ...row, answer: undefined })),
    /8 of 8 rows are unusable.*answer: expected text/u,
  ],
  [
    "a mark too many",
    () => changedRows((row) => ({ ...row, problem: `<image>${String(row.problem)}` })),
    /8 of 8 rows are unusable.*got 2 marks and 1 pictures/u,
  ],
  [
    "a mark too few",
    () => changedRows((row) => ({ ...row, problem: "?" })),
    /8 of 8 rows are unusable.*got 0 marks and 1 pictures/u,
  ],
  [
    "no pictures there",
    () => changedRows((row) => ({ ...row, images: ["none.png"] })),
    /8 of 8 rows are unusable.*none\.png/u,
  ],
  [
    "a picture outside",
    () => changedRows((row) => ({ ...row, images: ["../../x.png"] })),
    /8 of 8 rows are unusable.*inside/u,
  ],
] as const)("data: %s", ([, path, line]) => {
  expectNoLeftovers(expectRefused([`data.train=${path()}`], line));
});

test("data: supervised rows need their response, rows of reinforcement learning do not", () => {
  const words = trainWords(world, "miniature-grpo", freshPath(world, "run"), "trainer.maxSteps=1");
  const { status, stderr } = runPapo(["sft", ...words.slice(1)]);
  expect(stderr).toMatch(/^papo: .*8 of 8 rows are unusable.*response: expected text, got none.*\n$/u);
  expect(status).toBe(1);
});

test("data: prompts over the limit are left out, and none left is told", () => {
  expectNoLeftovers(expectRefused(["data.maxPromptLength=5"], /no row is left: 0 unusable, 8 dropped/u));
});

test.for([
  ["rollout.n=1", /rollout\.n: expected an integer >= 2 .*got 1/u],
  [
    "optim.microBatchSize=7 algorithm.lossAvgMode=reference",
    /optim\.microBatchSize: expected an integer <= the batch .*got 7/u,
  ],
  ["data.rolloutBatchSize=16", /data\.rolloutBatchSize: expected at most the 8 usable rows of data\.train, got 16/u],
  ["optim.globalBatchSize=3", /data\.rolloutBatchSize: expected a multiple of optim\.globalBatchSize \(3\), got 4/u],
  ["rolout.n=3", /rolout.*rollout/u],
  ["optim.lr=fast", /optim\.lr: expected a number >= 0, got/u],
  ["data.train=null", /data\.train: expected a data set to train on, got none/u],
] as const)("settings: %s", ([setting, line]) => {
  expectNoLeftovers(expectRefused(setting.split(" "), line));
});

function rewardModule(name: string, body: string): string {
  const file = join(world.dir, `${name}.mjs`);
  writeFileSync(file, body);
  return file;
}

test.for([
  ["missing", undefined, /reward\.type .*missing\.mjs/u],
  ["no-function", "export const x = 1;", /computeReward/u],
  ["broken", "export function computeReward( {", /reward\.type .*broken\.mjs/u],
  ["throws", 'export function computeReward() { throw new Error("no idea"); }', /reward\.type .*throws\.mjs.*no idea/u],
  ["hangs", "export function computeReward() { for (;;); }", /reward\.type .*hangs\.mjs.*1500/u],
  ["never-resolves", "export const computeReward = () => new Promise(() => {});", /never-resolves\.mjs.*1500/u],
  ["too-few", "export const computeReward = () => [{ overall: 1 }];", /expected 12 of them, one per response, got 1/u],
  [
    "no-number",
    "export const computeReward = (items) => items.map(() => ({ overall: NaN }));",
    /rewards\[0\]\.overall: expected a finite number, got NaN/u,
  ],
] as const)("reward: %s", ([name, body, line]) => {
  const file = body === undefined ? join(world.dir, "missing.mjs") : rewardModule(name, body);
  expectNoLeftovers(expectRefused([`reward.type=${file}`, "reward.timeoutMs=1500"], line));
});

test("run folder: used, absent or foreign", () => {
  const out = freshPath(world, "run");
  expect(runPapo(trainWords(world, "miniature-grpo", out, "trainer.maxSteps=1")).status).toBe(0);
  const before = readFileSync(join(out, "metrics.jsonl"), "utf8");
  expectRefused(
    [],
    /trainer\.outDir: .*run holds a run already: resume it with --resume or name another --out\n$/u,
    out,
  );
  expect(readFileSync(join(out, "metrics.jsonl"), "utf8")).toBe(before);
  const empty = freshPath(world, "empty");
  mkdirSync(empty);
  expectRefused(["--resume"], /trainer\.outDir: expected the folder of a run to resume/u, empty);
  expect(readdirSync(empty)).toEqual([]);
  expectRefused([], /trainer\.outDir: expected a new or empty folder; .* holds \w+/u, world.dir);
  expectRefused([], /trainer\.outDir: expected a folder/u, world.data);
});

test("run folder: not writable", ({ skip }) => {
  skip(process.platform !== "linux", "needs a folder where not even root may write");
  expectRefused([], /^papo: \/sys.*: (writing is not permitted|the file system is read-only)\n$/u, "/sys/papo-run");
});
