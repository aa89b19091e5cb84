// `papo reproduce` killed on the way and finished, on real trainings of a tiny study.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { type ReproduceOptions, reproduce } from "../../lib/reproduce/reproduce.ts";
import { lockRunFolder } from "../../lib/trainer/run-lock.ts";
import { tinyStudy } from "../reproduce/tiny-study.ts";
import { temporaryFolder } from "../support/processes.ts";
import { jsonLines } from "./world.ts";

const child = join(packageRoot, "test", "reproduce", "child.ts");
const names = ["table1", "figure1", "figure4"];
const methods = ["grpo", "papo_g"] as const;

/** Runs the child to its end, or until `holds`, when it is killed hard; gives what it printed. */
async function reproduceInto(out: string, holds: () => boolean = () => false): Promise<string> {
  const tsHooks = join(packageRoot, "test", "support", "ts.mjs");
  const process_ = spawn(process.execPath, ["--import", tsHooks, child, out, ...names]);
  let output = "";
  for (const stream of [process_.stdout, process_.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    process_.on("close", (status, signal) => {
      resolve(status ?? signal);
    });
  });
  while (process_.exitCode === null && process_.signalCode === null) {
    if (holds()) process_.kill("SIGKILL");
    await sleep(5);
  }
  expect(await ended, output).toBe(holds() ? "SIGKILL" : 0);
  return output;
}

const runDir = (out: string, method: string) => join(out, "runs", `${method}-mini`, "seed-1");

/** All that is not of a clock. */
function steadyResult(out: string, method: string) {
  const dir = join(runDir(out, method), "result");
  const metrics = jsonLines(join(dir, "metrics.jsonl")).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([name]) => !name.startsWith("timing_s/"))),
  );
  const { seconds, ...run } = JSON.parse(readFileSync(join(dir, "run.json"), "utf8")) as Record<string, unknown>;
  expect(seconds).toHaveProperty("training");
  const texts = ["evaluation.json", "verdicts.jsonl"].map((name) => readFileSync(join(dir, name), "utf8"));
  return { metrics, run, texts };
}

const tableFiles = (out: string) =>
  Object.fromEntries(readdirSync(join(out, "tables")).map((name) => [name, readFileSync(join(out, "tables", name))]));

test("killed in training and in evaluation and finished, it gives the results and tables of an uninterrupted run", async () => {
  const [whole, killed] = [join(temporaryFolder(), "whole"), join(temporaryFolder(), "killed")];
  await reproduceInto(whole);

  const work = join(runDir(killed, "grpo"), "work");
  await reproduceInto(killed, () => existsSync(join(work, "run", "checkpoints", "step-000002")));
  expect(existsSync(join(runDir(killed, "grpo"), "result"))).toBe(false);
  const other = join(runDir(killed, "papo_g"), "work", "evaluation");
  await reproduceInto(killed, () => existsSync(join(other, "mini-vision", "settings.json")));
  const finishedAt = statSync(join(runDir(killed, "grpo"), "result", "run.json")).mtimeMs;
  const output = await reproduceInto(killed);

  expect(output).toMatch(/^ +grpo +mini +done /mu);
  expect(output).toMatch(/^ +papo_g +mini +2\/3 /mu);
  expect(statSync(join(runDir(killed, "grpo"), "result", "run.json")).mtimeMs).toBe(finishedAt);
  for (const method of methods) {
    expect(steadyResult(killed, method), method).toEqual(steadyResult(whole, method));
    expect(readdirSync(runDir(killed, method)), method).toEqual(["result"]);
  }
  expect(Object.keys(tableFiles(killed))).toHaveLength(3 * 3 + 2 * 2);
  expect(tableFiles(killed)).toEqual(tableFiles(whole));
});

/** One run of one step, in this process; gives what it said. */
async function reproduceOne(
  out: string,
  changes: Parameters<typeof tinyStudy>[0],
  options: Partial<ReproduceOptions> = {},
) {
  const said: string[] = [];
  await reproduce({
    ...{ study: tinyStudy({ steps: 1, ...changes }), names: ["figure4"], out, seeds: 1, only: ["grpo"], mode: "run" },
    ...{ say: (line) => said.push(line), stdout: { write: () => true }, print: () => undefined },
    ...options,
  });
  return said;
}

const resultFile = (out: string, name: string) => join(runDir(out, "grpo"), "result", name);
const json = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, unknown>>;

test("--rerun evaluates again where only that changed and the checkpoint is there, and else trains again", async () => {
  const out = join(temporaryFolder(), "study");
  const checkpoint = join(runDir(out, "grpo"), "work", "run", "checkpoints", "step-000001", "model.safetensors");
  await reproduceOne(out, {}, { keepsWork: true });
  const trainedAt = statSync(checkpoint).mtimeMs;

  const evaluation = { benchmarks: ["mini-vision"], rows: 7, seed: 2, n: 2 };
  await expect(reproduceOne(out, { evaluation })).rejects.toThrow("was evaluated with other settings");
  await reproduceOne(out, { evaluation }, { keepsWork: true, reruns: true });
  expect(statSync(checkpoint).mtimeMs).toBe(trainedAt);
  expect(Object.keys(json(resultFile(out, "evaluation.json"))["settings"]?.["benchmarks"] ?? {})).toEqual(["mini-vision"]); // prettier-ignore

  const training = { count: 24, hintShare: 0.25 };
  await reproduceOne(out, { evaluation, training }, { keepsWork: true, reruns: true });
  expect(statSync(checkpoint).mtimeMs).toBeGreaterThan(trainedAt);
  expect(json(resultFile(out, "run.json"))["settings"]).toMatchObject({ data: { train: training } });

  const settledAt = statSync(resultFile(out, "run.json")).mtimeMs;
  await reproduceOne(out, { evaluation, training });
  expect(statSync(resultFile(out, "run.json")).mtimeMs).toBe(settledAt);
  expect(readdirSync(runDir(out, "grpo"))).toEqual(["result"]);
});

test("a run that another process has is left to it", async () => {
  const out = join(temporaryFolder(), "study");
  const work = join(runDir(out, "grpo"), "work");
  mkdirSync(work, { recursive: true });
  const lock = await lockRunFolder(work, { file: ".reproduce.lock", key: "test" });
  const said = await reproduceOne(out, {});
  expect(said).toEqual(["runs/grpo-mini/seed-1 (1 of 1)", "runs/grpo-mini/seed-1: left to the process that has it"]);
  expect(readdirSync(work)).toEqual([".reproduce.lock"]);
  await lock[Symbol.asyncDispose]();
});
