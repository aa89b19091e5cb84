// What the end-to-end tests share: a tiny untrained model, a small data set, and the built command line as a process.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { writeMiniature } from "../../lib/miniature/dataset.ts";
import { writeTinyModel } from "../../lib/miniature/model.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { runPapo } from "../support/processes.ts";

/** What one test file works in; removed by {@link removeWorld}. */
export interface World {
  readonly dir: string;
  readonly model: string;
  /** Eight rows of 2 x 2 grids, with the columns of a plain reinforcement learning set. */
  readonly data: string;
  /** A module that rewards some letters, so that random responses differ in reward. */
  readonly reward: string;
}

const rewardModule = `export function computeReward(items) {
  return items.map(({ response }) => {
    const letters = [...response];
    const accuracy = letters.filter((letter) => letter.codePointAt(0) % 3 === 0).length / Math.max(1, letters.length);
    return { overall: accuracy, accuracy };
  });
}
`;

export async function makeWorld(): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), "papo-e2e-"));
  const model = join(dir, "model");
  await writeTinyModel(model, 1);
  const data = await writeMiniature(join(dir, "data"), { split: "rl", seed: 1, count: 8, rows: 2, columns: 2 });
  writeFileSync(
    data,
    jsonLines(data)
      .map(({ id, problem, answer, images }) => `${JSON.stringify({ id, problem, answer, images })}\n`)
      .join(""),
  );
  const reward = join(dir, "letters.mjs");
  writeFileSync(reward, rewardModule);
  return { dir, model, data, reward };
}

export function removeWorld({ dir }: World): void {
  rmSync(dir, { recursive: true, force: true });
}

/** A path in the world for a test's own output, not there yet. */
export function freshPath({ dir }: World, name: string): string {
  return join(mkdtempSync(join(dir, "out-")), name);
}

/** Words of a short `papo train`: six steps of two optimizer steps, four prompts of three responses each. */
export function trainWords({ model, data, reward }: World, recipe: string, out: string, ...more: string[]): string[] {
  const settings = {
    "model.path": model,
    "data.train": data,
    "data.val": "null",
    "data.maxResponseLength": 10,
    "data.rolloutBatchSize": 4,
    "optim.globalBatchSize": 2,
    "optim.lr": 1e-3,
    "rollout.n": 3,
    "reward.type": reward,
    "trainer.maxSteps": 6,
    "trainer.totalEpochs": 4,
    "trainer.saveFreq": 1,
    "trainer.saveLimit": 10,
  };
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  return ["train", recipe, ...words, ...more, "--out", out];
}

/** A run of six steps, or as `more` has it, from start to end; gives its folder. */
export function trainWhole(world: World, recipe: string, ...more: string[]): string {
  const out = freshPath(world, "run");
  expect(runPapo(trainWords(world, recipe, out, ...more))).toMatchObject({ status: 0, stderr: "" });
  return out;
}

/** Starts the built command line and leaves it running. */
export function startPapo(args: readonly string[]) {
  const child = spawn(process.execPath, [join(packageRoot, "dist", "cli", "main.js"), ...args]);
  let stderr = "";
  child.stdout.resume();
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<number | string | null>((resolve) => {
    child.on("close", (status, signal) => {
      resolve(status ?? signal);
    });
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  /** Resolves when `holds` does; rejects when the process ends before. */
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`papo ended early: ${stderr}`);
      await sleep(5);
    }
  };
  return { child, ended, until, stderr: () => stderr };
}

/** Lines of a JSONL file that are whole. */
export function jsonLines(file: string): Record<string, unknown>[] {
  const text = readFileSync(file, "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** metrics.jsonl without what a clock or the machine decides. */
export function steadyMetrics(runDir: string): Record<string, unknown>[] {
  return jsonLines(join(runDir, "metrics.jsonl")).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([name]) => !/^(timing_s|timing_per_token_ms|perf)\//.test(name))),
  );
}

/** Whole lines of a run's metrics.jsonl so far. */
export function numLogged(runDir: string): number {
  const file = join(runDir, "metrics.jsonl");
  return existsSync(file) ? jsonLines(file).length : 0;
}
