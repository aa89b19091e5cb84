import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { RunFolder } from "../../lib/trainer/run-folder.ts";
import type { RunRecord } from "../../lib/trainer/run-record.ts";
import { tempFolder } from "../support/temp.ts";

const child = join(import.meta.dirname, "write-checkpoints.ts");
const record: RunRecord = { command: "train", config: {}, git: undefined, build: {} };

/** Runs the child until `ms` after its first output, kills it hard and waits for its end. */
async function runAndKill(args: readonly string[], ms: number): Promise<void> {
  const writer = spawn(
    process.execPath,
    ["--import", join(import.meta.dirname, "..", "support", "ts.mjs"), child, ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const ended = new Promise((resolve) => writer.once("exit", resolve));
  await Promise.race([new Promise((resolve) => writer.stdout.once("data", resolve)), ended]);
  await sleep(ms);
  writer.kill("SIGKILL");
  await ended;
}

test("a writer killed at any moment leaves a valid newest checkpoint, whole metrics and no litter after reopening", async () => {
  const dir = join(tempFolder(), "run");
  let lastStep = 0;
  for (const [round, ms] of [3, 37, 11, 53, 23].entries()) {
    await runAndKill(round === 0 ? [dir] : [dir, "resume"], ms);
    await using run = await RunFolder.open({ dir, record, resume: true });
    const names = readdirSync(join(dir, "checkpoints"));
    expect(names.filter((name) => !name.startsWith("step-"))).toEqual([]);
    const { checkpoints, broken } = await run.checkpoints.list();
    expect(broken).toEqual([]);
    expect(checkpoints.length).toBe(names.length);
    for (const { step, dir: folder } of checkpoints) {
      expect(readFileSync(join(folder, "weights.bin")).equals(Buffer.alloc(100_000, step % 251))).toBe(true);
      expect(JSON.parse(readFileSync(join(folder, "nested", "state.json"), "utf8"))).toEqual({ step });
    }
    const latest = checkpoints.at(-1)?.step ?? 0;
    expect(latest).toBeGreaterThanOrEqual(lastStep);
    lastStep = latest;
    const lines = readFileSync(join(dir, "metrics.jsonl"), "utf8").split("\n").slice(0, -1);
    const expected = Array.from({ length: latest }, (_, index) =>
      JSON.stringify({ step: index + 1, "reward/overall": (index + 1) / 1000 }),
    );
    expect(lines).toEqual(expected);
  }
  expect(lastStep).toBeGreaterThan(1);
});
