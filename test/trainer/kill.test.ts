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

/** Runs the child until it has printed `marks`, kills it hard `ms` later and waits for its end. */
async function runAndKill(args: readonly string[], marks: string, ms: number): Promise<void> {
  const writer = spawn(
    process.execPath,
    ["--import", join(import.meta.dirname, "..", "support", "ts.mjs"), child, ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const ended = new Promise((resolve) => writer.once("exit", resolve));
  let printed = "";
  const reached = new Promise<void>((resolve) => {
    writer.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.startsWith(marks)) resolve();
    });
  });
  await Promise.race([reached, ended]);
  expect(printed.slice(0, marks.length)).toBe(marks);
  await sleep(ms);
  writer.kill("SIGKILL");
  await ended;
}

// What the child prints before the kill, and how many ms the kill comes after it. A dot is a checkpoint; `!`: half of the
// next one's files are written.
const anyMoment = [
  [".", 3],
  ["..", 0],
  [".", 11],
] as const;
const inside = [
  ["!", 0],
  ["..!", 0],
] as const;
test.for([
  { name: "at any moment", rounds: anyMoment },
  { name: "inside of a checkpoint", rounds: inside },
])(
  "a writer killed $name leaves a valid newest checkpoint, whole metrics and no litter after reopening",
  async ({ rounds }) => {
    const dir = join(tempFolder(), "run");
    let lastStep = 0;
    for (const [round, [marks, ms]] of rounds.entries()) {
      const isInside = marks.endsWith("!");
      await runAndKill([dir, round === 0 ? "" : "resume", isInside ? String(marks.length) : ""], marks, ms);
      const left = readdirSync(join(dir, "checkpoints"));
      if (isInside) expect(left.filter((name) => !name.startsWith("step-"))).toHaveLength(1);
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
      const written = lastStep + marks.replace("!", "").length;
      if (isInside) expect(latest).toBe(written);
      else expect(latest).toBeGreaterThanOrEqual(written);
      lastStep = latest;
      const lines = readFileSync(join(dir, "metrics.jsonl"), "utf8").split("\n").slice(0, -1);
      const expected = Array.from({ length: latest }, (_, index) =>
        JSON.stringify({ step: index + 1, "reward/overall": (index + 1) / 1000 }),
      );
      expect(lines).toEqual(expected);
    }
  },
);
