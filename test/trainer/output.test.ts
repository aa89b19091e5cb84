import { createWriteStream, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { stripVTControlCharacters } from "node:util";
import { expect, test, vi } from "vitest";
import { LoggerSet, createLoggers } from "../../lib/trainer/loggers.ts";
import type { Logger } from "../../lib/trainer/loggers.ts";
import { Progress, phaseLine } from "../../lib/trainer/progress.ts";
import { RunFolder } from "../../lib/trainer/run-folder.ts";
import { pickGroups, writeSamples } from "../../lib/trainer/samples.ts";
import { StepTable } from "../../lib/trainer/step-table.ts";
import { gitState, peakMemoryBytes } from "../../lib/trainer/system-info.ts";
import { colorsFor, formatDuration, formatNumber } from "../../lib/trainer/terminal.ts";
import { runConfig } from "../support/config.ts";
import { tempFolder } from "../support/temp.ts";

/** A stream that keeps what is written; a terminal when it has columns. */
function sink(columns?: number) {
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
  const isTTY = columns !== undefined;
  const terminal = { isTTY, columns, cursorTo: () => true, clearLine: () => true };
  const output = Object.assign(stream, terminal) as unknown as NodeJS.WriteStream;
  return { output, text: () => chunks.join(""), lines: () => chunks.join("").split("\n").slice(0, -1) };
}

const metrics = {
  "reward/overall": 0.5126,
  "reward/accuracy": 0.47,
  "response_length/mean": 211.4,
  "timing_s/step": 75,
  "perf/throughput": 1234.5,
  "actor/kl_prcp_loss": -0.00012,
};

test("a step line shows the chosen metrics, a dash for absent ones and the time left", () => {
  const { output, lines } = sink();
  new StepTable(output, 100, {}).print(12, metrics);
  const [header = "", line = ""] = lines();
  const cells = line.trim().split(/ +/);
  const titles = header.trim().split(/ +/);
  expect(Object.fromEntries(titles.map((title, index) => [title, cells[index]]))).toMatchObject({
    step: "12/100",
    reward: "0.513",
    format: "-",
    time: "1:15",
    length: "211",
    "tok/s": "1235",
    kl_prcp: "-1.2e-4",
    left: "1:50:00", // 88 steps of 75 s are 6,600 s
  });
  expect(header.length).toBe(line.length);
});

test("the time left counts validations and checkpoints by their mean over the steps", () => {
  const { output, lines } = sink();
  const table = new StepTable(output, 7, {});
  table.print(1, { "timing_s/step": 10 });
  table.print(2, { "timing_s/step": 10, "timing_s/validation": 14 });
  table.print(3, { "timing_s/step": 10, "timing_s/save_checkpoint": 7 });
  // 6 x 10; 5 x (20 + 14) / 2; 4 x (30 + 21) / 3
  expect(
    lines()
      .slice(1)
      .map((line) => line.trim().split(/ +/).at(-1)),
  ).toEqual(["1:00", "1:25", "1:08"]);
});

test("a narrow terminal gets whole columns within its width, a wide one colours unless NO_COLOR is set", () => {
  for (const columns of [37, 60, 111]) {
    const { output, lines } = sink(columns);
    new StepTable(output, 7, {}).print(1, metrics);
    for (const line of lines()) expect(stripVTControlCharacters(line).length).toBeLessThan(columns);
    expect(lines()[0]).toContain("\u001b[1m");
    expect(lines()[0]).toContain("reward");
  }
  const { output, text } = sink(111);
  new StepTable(output, 7, { NO_COLOR: "1" }).print(1, metrics);
  expect(text()).not.toContain("\u001b");
  expect(colorsFor(sink(111).output, { TERM: "dumb" }).isColorSupported).toBe(false);
});

test("the header comes back every 20 steps and a validation has its own line", () => {
  const { output, lines } = sink();
  const table = new StepTable(output, 37, {});
  for (let step = 1; step <= 21; step += 1) table.print(step, metrics);
  table.print(21, { "val/reward_score": 0.5, "val/accuracy_reward": 0.25, "val/overall_reward": 0.5 });
  expect(lines().filter((line) => /reward +accuracy/.test(line)).length).toBe(2);
  expect(lines().at(-1)).toBe("validation at step 21: accuracy 0.250, overall 0.500");
});

test("durations and numbers are short", () => {
  expect([0, 59.4, 83, 7387, NaN, -1].map(formatDuration)).toEqual(["0s", "59s", "1:23", "2:03:07", "?", "?"]);
  expect([undefined, 0, 37, 0.0001234, 0.51263, 9999.5, 45_400, 2.5e7, NaN].map(formatNumber)).toEqual([
    "-",
    "0",
    "37",
    "1.2e-4",
    "0.513",
    "10000",
    "45k",
    "25.0M",
    "NaN",
  ]);
});

test("a phase line has share, counts, rate and time left, and loses its bar and then its end when narrow", () => {
  const state = { name: "rollout", unit: "responses", done: 80, total: 160, numTokens: 7400, elapsedS: 37 };
  const wide = "rollout [============------------]  50% 80/160 responses, 200 tok/s, 37s left";
  expect(phaseLine(state, 111)).toBe(wide);
  expect(phaseLine(state, 60)).toBe("rollout  50% 80/160 responses, 200 tok/s, 37s left");
  expect(phaseLine(state, 20)).toBe("rollout  50% 80/160 ");
  expect(phaseLine({ ...state, done: 0, total: 0, numTokens: 0 }, 60)).toBe("rollout 100% 0/0 responses");
});

test("a terminal sees a bar that is cleared at the end", () => {
  const { output, text } = sink(111);
  {
    using phase = new Progress(output, {}).phase("rollout", 7, "responses");
    phase.update(3, 111);
  }
  expect(text()).toContain("rollout [==========--------------]  42% 3/7 responses");
});

test("a file gets nothing from a short phase and plain lines from a long one; a dumb terminal gets nothing", () => {
  const { output, text, lines } = sink();
  const dumb = sink(111);
  vi.useFakeTimers();
  try {
    using short = new Progress(output, {}).phase("reward", 7, "responses");
    short.update(3);
    expect(text()).toBe("");
    using long = new Progress(output, {}).phase("update", 111, "groups");
    using silent = new Progress(dumb.output, { TERM: "dumb" }).phase("update", 111, "groups");
    vi.advanceTimersByTime(10_001);
    long.update(37);
    silent.update(37);
    vi.advanceTimersByTime(10_000);
  } finally {
    vi.useRealTimers();
  }
  expect(lines().length).toBe(3); // at 10 s, at 20 s, at the end
  for (const line of lines()) expect(line).toMatch(/^update \[=+-+\] {2}33% 37\/111 groups, \d+s left$/);
  expect(dumb.text()).toBe("");
});

test("a logger that fails is named once and dropped, the others go on, a required one stops the run", async () => {
  const seen: string[] = [];
  const failing: Logger = {
    name: "shaky",
    logStep: () => {
      throw new Error("server gone");
    },
  };
  const good: Logger = {
    name: "good",
    logStep: (step) => void seen.push(`step ${step}`),
    close: () => void seen.push("closed"),
  };
  const warnings: string[] = [];
  {
    await using set = new LoggerSet([failing, good], (line) => warnings.push(line));
    await set.logStep(1, {});
    await set.logStep(2, {});
    await set.logText(2, "tag", "text");
  }
  expect(seen).toEqual(["step 1", "step 2", "closed"]);
  expect(warnings).toEqual(["logger shaky failed and is off from here on: server gone"]);
  const strict = new LoggerSet([{ ...failing, required: true }], (line) => warnings.push(line));
  await expect(strict.logStep(1, {})).rejects.toThrow("server gone");
});

test("loggers that hang, throw, reject or fill the disk are named once each and nothing waits for them", async () => {
  const never = () => new Promise<void>(() => undefined);
  const full = existsSync("/dev/full") ? createWriteStream("/dev/full") : undefined;
  const bad: Logger[] = [
    { name: "hung", logStep: never },
    { name: "late", logStep: () => undefined, close: never },
    { name: "rejecting", logStep: () => Promise.reject(new Error("refused")) },
    ...(full ? [{ name: "full", logStep: (step: number) => pipeline([`${step}`], full) }] : []),
  ];
  const seen: unknown[] = [];
  const good: Logger = {
    name: "good",
    logStep: (step) => void seen.push(step),
    logHistogram: (_step, _tag, values) => void seen.push(values),
    close: (outcome) => void seen.push(outcome),
  };
  const warnings: string[] = [];
  {
    await using set = new LoggerSet([...bad, good], (line) => warnings.push(line), 20);
    await set.logStep(1, {});
    await set.logStep(2, {});
    await set.logHistogram(2, "reward", [1, 2]);
    await set.close("interrupted");
  }
  expect(seen).toEqual([1, 2, [1, 2], "interrupted"]);
  const off = (name: string) => `logger ${name} failed and is off from here on: `;
  expect(warnings.slice(0, 2)).toEqual([`${off("hung")}no answer within 0.02 s`, `${off("rejecting")}refused`]);
  if (full) expect(warnings[2]).toMatch(/^logger full failed and is off from here on: ENOSPC/u);
  expect(warnings.at(-1)).toBe(`${off("late")}no answer within 0.02 s`);
});

test("a picture is made only for loggers that take it; one that cannot be made is said once", async () => {
  const warnings: string[] = [];
  const taken: number[] = [];
  const broken = () => Promise.reject(new Error("gone"));
  await using blind = new LoggerSet([{ name: "blind", logStep: () => undefined }], (line) => warnings.push(line));
  await blind.logImage(1, "a", broken);
  expect(warnings).toEqual([]);
  const seeing: Logger = { name: "seeing", logStep: () => undefined, logImage: (step) => void taken.push(step) };
  await using set = new LoggerSet([seeing], (line) => warnings.push(line));
  await set.logImage(1, "a", broken);
  await set.logImage(2, "a", broken);
  await set.logImage(3, "a", () => Promise.resolve({ png: new Uint8Array(0), width: 7, height: 3 }));
  expect(warnings).toEqual(["a picture could not be logged: gone"]);
  expect(taken).toEqual([3]);
});

test("the loggers of a run write to its files and its table; one that cannot start is named", async () => {
  const dir = join(tempFolder(), "run");
  await using run = await RunFolder.open({
    dir,
    record: { command: "train", config: {}, git: undefined, build: {} },
    resume: false,
  });
  const { output, lines } = sink();
  const warnings: string[] = [];
  {
    await using set = await createLoggers(runConfig(), run, new StepTable(output, 7, {}), (line) =>
      warnings.push(line),
    );
    await set.logStep(1, metrics);
    await set.logText(1, "val/generations", "some text");
  }
  expect(lines().length).toBe(2);
  expect(readFileSync(join(dir, "metrics.jsonl"), "utf8")).toBe(`${JSON.stringify({ step: 1, ...metrics })}\n`);
  const [events = ""] = readdirSync(run.tensorboardDir);
  expect(readFileSync(join(run.tensorboardDir, events), "latin1")).toContain("some text");
  expect(warnings).toEqual([]);

  mkdirSync(join(dir, "other"));
  writeFileSync(join(dir, "other", "tensorboard"), "in the way");
  const { record, metrics: file } = run;
  const blocked = {
    dir,
    record,
    metrics: file,
    resumeFrom: undefined,
    tensorboardDir: join(dir, "other", "tensorboard"),
  };
  await createLoggers(
    runConfig({ trainer: { loggers: ["tensorboard"] } }),
    blocked,
    new StepTable(output, 7, {}),
    (line) => warnings.push(line),
  );
  expect(warnings[0]).toMatch(/^logger tensorboard could not start: EEXIST/);
});

test("samples hold one line a response with its group, parts and perception KL", async () => {
  const dir = tempFolder();
  const response = {
    text: "\\boxed{7}",
    finishReason: "stop",
    numTokens: 37,
    reward: { overall: 1, format: 1 },
  } as const;
  const group = { id: "a:1", promptText: "<image> how many?", answer: "7", numImages: 1, pictures: [] };
  await writeSamples(dir, 7, [{ ...group, responses: [{ ...response, advantage: 0.5, klPrcp: 0.01 }, response] }]);
  const lines = readFileSync(join(dir, "step-000007.jsonl"), "utf8").trim().split("\n");
  const expected = {
    step: 7,
    ...group,
    text: "\\boxed{7}",
    finishReason: "stop",
    numTokens: 37,
    "reward/overall": 1,
    "reward/format": 1,
  };
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { ...expected, response: 0, advantage: 0.5, klPrcp: 0.01 },
    { ...expected, response: 1 },
  ]);
});

test("samples name their pictures, which are files beside them; a step written again leaves none of its old ones", async () => {
  const dir = tempFolder();
  const bytes = (value: number) => new Uint8Array([value]);
  const response = { text: "7", finishReason: "stop", numTokens: 1, reward: { overall: 1 } } as const;
  const group = { id: "a:1", promptText: "?", answer: "7", numImages: 2, responses: [response] };
  const pictures = [
    { plain: bytes(1), masked: [bytes(2), bytes(3)] },
    { plain: bytes(4), masked: [] },
  ];
  await writeSamples(dir, 7, [{ ...group, pictures }], "val-");
  const written = JSON.parse(readFileSync(join(dir, "val-step-000007.jsonl"), "utf8")) as { pictures: unknown };
  expect(written.pictures).toEqual([
    {
      plain: "val-step-000007/0-0.webp",
      masked: ["val-step-000007/0-0-masked-0.webp", "val-step-000007/0-0-masked-1.webp"],
    },
    { plain: "val-step-000007/0-1.webp", masked: [] },
  ]);
  const at = (name: string) => [...readFileSync(join(dir, "val-step-000007", name))];
  expect([at("0-0.webp"), at("0-0-masked-1.webp"), at("0-1.webp")]).toEqual([[1], [3], [4]]);
  await writeSamples(dir, 7, [{ ...group, pictures: pictures.slice(1) }], "val-");
  expect(readdirSync(join(dir, "val-step-000007"))).toEqual(["0-0.webp"]);
});

test("picked groups are spread over the step", () => {
  expect(pickGroups(111, 3)).toEqual([0, 37, 74]);
  expect(pickGroups(2, 7)).toEqual([0, 1]);
  expect(pickGroups(7, 0)).toEqual([]);
});

test("the git state of a folder names commit, branch and changes; a folder outside git has none", async () => {
  const dir = tempFolder();
  expect(await gitState(dir)).toBeUndefined();
  expect(await gitState(join(dir, "absent"))).toBeUndefined();
  const git = (...args: string[]) => execFileSync("git", ["-C", dir, ...args], { encoding: "utf8" }).trim();
  git("init", "--quiet", "--initial-branch=trunk");
  writeFileSync(join(dir, "a"), "1");
  git("add", "a");
  git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one");
  expect(await gitState(dir)).toEqual({ commit: git("rev-parse", "HEAD"), branch: "trunk", dirty: false });
  writeFileSync(join(dir, "a"), "2");
  git("checkout", "--quiet", "--detach");
  expect(await gitState(dir)).toMatchObject({ branch: undefined, dirty: true });
});

test("the peak memory of this process is at least what it uses now in bytes", () => {
  const { rss } = process.memoryUsage();
  expect(peakMemoryBytes()).toBeGreaterThan(rss / 2);
  expect(peakMemoryBytes()).toBeLessThan(rss * 1000);
});
