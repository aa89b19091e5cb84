import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckpointError, ConfigError } from "../../lib/errors.ts";
import { MetricsFile, readMetrics } from "../../lib/trainer/metrics-file.ts";
import { RunFolder } from "../../lib/trainer/run-folder.ts";
import { lockRunFolder } from "../../lib/trainer/run-lock.ts";
import { readRunRecord, type RunRecord } from "../../lib/trainer/run-record.ts";
import { tempFolder } from "../support/temp.ts";

const record: RunRecord = { command: "train", config: { seed: 7 }, git: undefined, build: { papo: "0.1.0" } };
const open = (dir: string, resume = false) => RunFolder.open({ dir, record, resume });

test("a run folder holds its record and gets the documented parts", async () => {
  const dir = join(tempFolder(), "a", "run");
  await using run = await open(dir);
  expect(readdirSync(dir).sort()).toEqual([
    ".lock",
    "alarms.jsonl",
    "checkpoints",
    "config.json",
    "metrics.jsonl",
    "samples",
    "tensorboard",
  ]);
  expect(await readRunRecord(dir)).toEqual({ command: "train", config: { seed: 7 }, build: { papo: "0.1.0" } });
  expect(run.resumeFrom).toBeUndefined();
});

test("a second run in the same folder needs resume, and resume needs a run", async () => {
  const dir = join(tempFolder(), "run");
  await expect(open(dir, true)).rejects.toThrow(/trainer.outDir: expected the folder of a run to resume/);
  {
    await using run = await open(dir);
    await run.metrics.append(0, { a: 1 });
  }
  expect(existsSync(join(dir, ".lock"))).toBe(false);
  await expect(open(dir)).rejects.toThrow(/holds a run already: resume it with --resume/);
  await (await open(dir, true))[Symbol.asyncDispose]();
});

test("a run that failed before its first line of metrics does not keep its folder from the corrected one", async () => {
  const dir = join(tempFolder(), "run");
  await (await open(dir))[Symbol.asyncDispose]();
  const corrected = { ...record, config: { seed: 37 } };
  await (await RunFolder.open({ dir, record: corrected, resume: false }))[Symbol.asyncDispose]();
  expect(await readRunRecord(dir)).toMatchObject({ config: { seed: 37 } });
  await (await open(dir, true))[Symbol.asyncDispose]();
});

test("a resumed run names the settings that it changes and keeps the old record until it is whole", async () => {
  const dir = join(tempFolder(), "run");
  const settings = { seed: 7, optim: { lr: 0.1, betas: [0, 1] }, trainer: { outDir: "a" }, notes: ["x"] };
  {
    await using run = await RunFolder.open({ dir, record: { ...record, config: settings }, resume: false });
    await run.writeCheckpoint(2, () => Promise.resolve());
  }
  const config = { ...settings, optim: { lr: 0.2, betas: [0, 1] }, trainer: { outDir: "b", valFreq: 1 }, notes: [] };
  await using run = await RunFolder.open({ dir, record: { ...record, config }, resume: true });
  expect(run.changedSettings).toEqual(["optim.lr: 0.1 -> 0.2", "trainer.valFreq: nothing -> 1"]);
  expect(await readRunRecord(dir)).toMatchObject({ config: settings });
  await run.writeRecord();
  expect(await readRunRecord(dir)).toMatchObject({ config });
});

test.for([
  [{ config: { seed: 37 } }, "seed: expected 7, which the run was started with, got 37; name another --out"],
  [{ config: { seed: 7, model: { path: "b" } } }, "model.path: expected nothing, which the run was started with"],
  [{ command: "sft" }, "trainer.outDir: expected a run of papo sft, got one of papo train"],
] as const)("a resumed run cannot become another one: %j", async ([change, message]) => {
  const dir = join(tempFolder(), "run");
  const started = { ...record, config: { seed: 7, model: {} } };
  {
    await using run = await RunFolder.open({ dir, record: started, resume: false });
    await run.metrics.append(3, { a: 1 });
    await run.writeCheckpoint(2, () => Promise.resolve());
  }
  const resumed = RunFolder.open({ dir, record: { ...started, ...change }, resume: true });
  await expect(resumed).rejects.toThrow(message);
  expect(readFileSync(join(dir, "metrics.jsonl"), "utf8")).toBe('{"step":3,"a":1}\n');
});

test("a folder with foreign files and a file in its place are refused untouched", async () => {
  const dir = tempFolder();
  writeFileSync(join(dir, "thesis.tex"), "x");
  await expect(open(dir)).rejects.toThrow(/expected a new or empty folder; .* holds thesis.tex/);
  expect(readdirSync(dir)).toEqual(["thesis.tex"]);
  await expect(open(join(dir, "thesis.tex"))).rejects.toBeInstanceOf(ConfigError);
});

test("a resumed run forgets metrics, alarms and samples after its checkpoint and a line cut by a kill", async () => {
  const dir = join(tempFolder(), "run");
  {
    await using run = await open(dir);
    for (const step of [0, 1, 2, 3]) await run.metrics.append(step, { "reward/overall": step / 7 });
    for (const step of [2, 2, 3]) await run.alarms.append(step, { signal: "entropy" });
    await run.writeCheckpoint(2, () => Promise.resolve());
    for (const name of ["step-000002", "step-000003", "val-step-000002", "val-step-000003"])
      writeFileSync(join(run.samplesDir, `${name}.jsonl`), "{}\n");
    for (const name of ["step-000002", "step-000003"]) {
      mkdirSync(join(run.samplesDir, name));
      writeFileSync(join(run.samplesDir, name, "0-0.webp"), "");
    }
  }
  writeFileSync(join(dir, "metrics.jsonl"), '{"step":4,"rew', { flag: "a" });
  await using run = await open(dir, true);
  expect(run.resumeFrom?.step).toBe(2);
  expect(readdirSync(run.samplesDir)).toEqual(["step-000002", "step-000002.jsonl", "val-step-000002.jsonl"]);
  expect(readFileSync(join(dir, "alarms.jsonl"), "utf8")).toBe('{"step":2,"signal":"entropy"}\n'.repeat(2));
  await run.metrics.append(3, { again: 1 });
  const lines = readFileSync(join(dir, "metrics.jsonl"), "utf8");
  expect(lines).toBe(
    `{"step":0,"reward/overall":0}\n{"step":1,"reward/overall":${1 / 7}}\n{"step":2,"reward/overall":${2 / 7}}\n{"step":3,"again":1}\n`,
  );
});

test("a resumed run passes over a torn checkpoint and names it", async () => {
  const dir = join(tempFolder(), "run");
  {
    await using run = await open(dir);
    for (const step of [7, 37]) await run.writeCheckpoint(step, (to) => writeFile(join(to, "state"), "whole"));
  }
  truncateSync(join(dir, "checkpoints", "step-000037", "state"), 1);
  await using run = await open(dir, true);
  expect(run.resumeFrom?.step).toBe(7);
  expect((await run.checkpoints.latest())?.step).toBe(7);
  expect(run.brokenCheckpoints.map(({ message }) => message)).toEqual([
    `${join(dir, "checkpoints", "step-000037")}: state: expected 5 bytes, got 1`,
  ]);
});

test("a run that is resumed before its first checkpoint starts over", async () => {
  const dir = join(tempFolder(), "run");
  {
    await using run = await open(dir);
    await run.metrics.append(0, { a: 1 });
  }
  await using run = await open(dir, true);
  expect(run.resumeFrom).toBeUndefined();
  expect(readFileSync(join(dir, "metrics.jsonl"), "utf8")).toBe("");
});

test("numbers that are not finite become null and reading skips broken lines", async () => {
  const path = join(tempFolder(), "metrics.jsonl");
  {
    await using file = await MetricsFile.open(path);
    await file.append(1, { loss: NaN, other: Infinity });
  }
  writeFileSync(path, "\u0000\u0000\n[1]\n", { flag: "a" });
  const lines: unknown[] = [];
  for await (const line of readMetrics(path)) lines.push(line);
  expect(lines).toEqual([
    { step: 1, line: '{"step":1,"loss":null,"other":null}', metrics: { step: 1, loss: null, other: null } },
  ]);
});

test("metrics that cannot be written are an error, not a silent loss", async () => {
  if (!existsSync("/dev/full")) {
    console.log("skipped: no /dev/full here");
    return;
  }
  await using file = await MetricsFile.open("/dev/full");
  await expect(file.append(1, { a: 1 })).rejects.toThrow(/no space is left on the disk/);
  await expect(file.append(1, { a: 1 })).rejects.toBeInstanceOf(CheckpointError);
});

test("a folder held by a living process is refused with its number", async () => {
  const dir = tempFolder();
  await using lock = await lockRunFolder(dir);
  await expect(lockRunFolder(dir)).rejects.toThrow(`is held by process ${process.pid} on ${hostname()} since`);
  expect(lock).toBeDefined();
  expect(readdirSync(dir)).toEqual([".lock"]);
});

test("locks of dead processes, of a pid with a new owner and torn ones are taken over", async () => {
  const gone = spawn(process.execPath, ["-e", ""]);
  await new Promise((resolve) => gone.once("exit", resolve));
  const holder = { pid: gone.pid, host: hostname(), startedAt: "", since: "then" };
  const stale = [
    JSON.stringify(holder),
    JSON.stringify({ ...holder, pid: process.pid, startedAt: "boot:1" }),
    '{"pid":',
    "",
  ];
  for (const text of stale) {
    const dir = tempFolder();
    writeFileSync(join(dir, ".lock"), text);
    await using lock = await lockRunFolder(dir);
    expect(lock).toBeDefined();
    expect((JSON.parse(readFileSync(join(dir, ".lock"), "utf8")) as { pid: number }).pid).toBe(process.pid);
  }
});

test("a lock of another machine is kept and named with its file", async () => {
  const dir = tempFolder();
  const holder = { pid: 1, host: "elsewhere", startedAt: "", since: "then" };
  writeFileSync(join(dir, ".lock"), JSON.stringify(holder));
  await expect(lockRunFolder(dir)).rejects.toThrow(
    /process 1 on elsewhere since then; if it is gone, remove .*\.lock$/,
  );
  await expect(lockRunFolder(dir)).rejects.toBeInstanceOf(ConfigError);
});

test("of many takers of one stale lock exactly one gets it", async () => {
  const dir = tempFolder();
  writeFileSync(join(dir, ".lock"), "");
  const outcomes = await Promise.allSettled(Array.from({ length: 7 }, () => lockRunFolder(dir)));
  expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(1);
});

test("what a process left that died while making its lock is removed with the next lock", async () => {
  const dir = tempFolder();
  writeFileSync(join(dir, ".lock-new-37"), "{}");
  await using lock = await lockRunFolder(dir);
  expect(lock).toBeDefined();
  expect(readdirSync(dir)).toEqual([".lock"]);
});

test("a guard left by a process that died while taking over a lock is removed", async () => {
  const dir = tempFolder();
  writeFileSync(join(dir, ".lock"), "");
  writeFileSync(join(dir, ".lock-takeover"), "");
  utimesSync(join(dir, ".lock-takeover"), 0, 0);
  await using lock = await lockRunFolder(dir);
  expect(lock).toBeDefined();
  expect(readdirSync(dir)).toEqual([".lock"]);
});

test("a record that is absent or broken is a ConfigError", async () => {
  const dir = tempFolder();
  await expect(readRunRecord(dir)).rejects.toThrow(/expected the record of a run: ENOENT/);
  mkdirSync(join(dir, "sub"));
  writeFileSync(join(dir, "config.json"), "{}");
  await expect(readRunRecord(dir)).rejects.toBeInstanceOf(ConfigError);
});
