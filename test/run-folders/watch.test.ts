import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { expect, onTestFinished, test, vi } from "vitest";
import { MetricsTail } from "../../lib/run-folders/metrics-tail.ts";
import { sparkline } from "../../lib/run-folders/sparkline.ts";
import { secondsLeft, type Watched, watchFrame } from "../../lib/run-folders/watch-frame.ts";
import { watchRun, type WatchOptions } from "../../lib/run-folders/watch.ts";
import { lockRunFolder } from "../../lib/trainer/run-lock.ts";
import { writeRunStatus } from "../../lib/trainer/run-status.ts";
import { startPapo } from "../e2e/world.ts";
import { tempFolder } from "../support/temp.ts";
import { makeRun } from "./world.ts";

test("a sparkline spans lowest to highest, joins neighbours when long, blanks what is no number", () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe("▁▂▃▄▅▆▇█");
  expect(sparkline([0, 7], 8, false)).toBe("_#");
  expect(sparkline([0, 2, Number.NaN, Number.NaN, 7, 7], 3)).toBe("▁ █"); // means 1, none, 7
  expect(sparkline([3, 3, 3], 8)).toBe("▅▅▅");
  expect(sparkline([], 8)).toBe("");
});

test("the tail gives whole new lines, passes over broken ones and starts over on a replaced file", async () => {
  const dir = tempFolder();
  const file = join(dir, "metrics.jsonl");
  const tail = new MetricsTail(dir);
  expect(await tail.read()).toEqual({ steps: [], restarted: false });
  writeFileSync(file, '{"step":1,"é":0.5}\n{"step":2,"a"');
  expect((await tail.read()).steps).toEqual([{ step: 1, é: 0.5 }]);
  appendFileSync(file, ':null}\nnot json\n7\n{"step":"x"}\n');
  expect((await tail.read()).steps).toEqual([{ step: 2, a: null }]);
  expect(await tail.read()).toEqual({ steps: [], restarted: false });
  writeFileSync(`${file}.new`, '{"step":1}\n'); // as a resumed run does
  renameSync(`${file}.new`, file);
  expect(await tail.read()).toEqual({ steps: [{ step: 1 }], restarted: true });
  rmSync(file);
  expect(await tail.read()).toEqual({ steps: [], restarted: true });
});

const steps = Array.from({ length: 37 }, (_, index) => ({
  step: index + 1,
  ...{ "reward/overall": index / 37, "timing_s/step": 10, "response_length/mean": 211, "actor/grad_norm": null },
}));
const plain = { unicode: true, bold: (text: string) => text };
const watched: Watched = { name: "mine", state: "running", totalSteps: 100, steps };

test.for([20, 40, 80, 200])("a frame of %d columns keeps within them", (width) => {
  const lines = watchFrame(watched, { ...plain, width });
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  expect(lines.slice(0, 2)).toEqual(["mine", "running, step 37/100, 10:30 left".slice(0, width)]); // 63 steps of 10 s
  const titles = lines.slice(2).map((line) => line.slice(0, 11).trim());
  expect(titles).toEqual(["reward", "grad norm", "length", "step, s"]);
  expect(lines.some((line) => line.includes("█"))).toBe(width >= 40);
});

test("what a run says of itself cannot steer the terminal", () => {
  const run = { ...watched, name: "a\u001b[2J", state: "failed", message: "b\u001b]0;x\u0007" } as const;
  const text = watchFrame(run, { ...plain, width: 80 }).join("\n");
  expect(stripVTControlCharacters(text)).toBe(text);
});

test("the time left follows the newest steps' own times, not the clock", () => {
  vi.useFakeTimers({ now: new Date("2030-01-01") });
  try {
    const before = secondsLeft(watched);
    vi.setSystemTime(new Date("1999-01-01"));
    expect([before, secondsLeft(watched)]).toEqual([630, 630]);
  } finally {
    vi.useRealTimers();
  }
  const slower = [...steps, { step: 38, "timing_s/step": 20, "timing_s/validation": 30 }];
  expect(secondsLeft({ steps: slower, totalSteps: 100 })).toBeCloseTo((62 * (19 * 10 + 50)) / 20, 9);
  expect(secondsLeft({ steps: [], totalSteps: 100 })).toBeNaN();
  expect(secondsLeft({ steps, totalSteps: undefined })).toBeNaN();
});

interface Watching {
  readonly env?: WatchOptions["env"];
  /** A terminal of that width. */
  readonly columns?: number;
  readonly once?: boolean;
}

/** Watches into memory. */
function watch(dir: string, { env = {}, columns, once = false }: Watching = {}) {
  let text = "";
  const write = (part: string) => void (text += part);
  const stdout = columns === undefined ? { write } : { isTTY: true, columns, rows: 24, write };
  const controller = new AbortController();
  onTestFinished(() => {
    controller.abort();
  });
  let isOver = false;
  const ended = watchRun(dir, { stdout, env, intervalMs: 5, once, signal: controller.signal }).finally(() => {
    isOver = true;
  });
  ended.catch(() => undefined);
  const until = async (part: string) => {
    while (!text.includes(part) && !isOver) await sleep(2);
    expect(text).toContain(part);
  };
  return { ended, until, text: () => text };
}

const running = { state: "running", step: 0, totalSteps: 7 } as const;

async function liveRun() {
  const dir = await makeRun({ status: running, steps: [{ "reward/overall": 0.25, "timing_s/step": 1 }] });
  const lock = await lockRunFolder(dir);
  onTestFinished(() => lock[Symbol.asyncDispose]());
  return { dir, lock };
}

test.for(["failed", "stopped"] as const)(
  "without a terminal it prints a line a step and that the run %s, without escapes",
  async (state) => {
    const { dir, lock } = await liveRun();
    const watching = watch(dir);
    await watching.until("1/7");
    appendFileSync(join(dir, "metrics.jsonl"), '{"step":2,"reward/overall":0.5,"timing_s/step":2}\n');
    await watching.until("2/7");
    await writeRunStatus(dir, { ...running, state, message: "no space" });
    await lock[Symbol.asyncDispose]();
    await watching.ended;
    expect(stripVTControlCharacters(watching.text())).toBe(watching.text());
    expect(watching.text().match(/\d\/7/gu)).toEqual(["1/7", "2/7"]);
    expect(watching.text()).toMatch(new RegExp(`\nrun is ${state}: no space\n$`, "u"));
  },
);

test("a terminal of 40 columns gets frames; NO_COLOR, TERM=dumb and locales without UTF-8 are respected", async () => {
  const { dir } = await liveRun();
  const seen = async (env: WatchOptions["env"]) => {
    const watching = watch(dir, { columns: 40, env, once: true });
    await watching.ended;
    return watching.text();
  };
  const bare = await seen({ NO_COLOR: "1", LANG: "C" });
  for (const line of stripVTControlCharacters(bare).split("\n")) expect(line.length).toBeLessThan(40);
  expect(bare).not.toContain("\u001b[1m");
  expect(Buffer.from(bare, "latin1").toString("latin1")).toBe(bare);
  expect(bare).not.toContain("▅");
  const coloured = await seen({ LANG: "en_US.UTF-8" });
  expect(coloured).toContain("\u001b[1mrun");
  expect(coloured).toContain("▅");
  expect(await seen({ TERM: "dumb" })).not.toContain("\u001b");
});

test.for([undefined, 40])("a run folder that is removed ends it with one line (columns: %s)", async (columns) => {
  const { dir } = await liveRun();
  const watching = watch(dir, columns === undefined ? {} : { columns });
  await watching.until("1/7");
  rmSync(dir, { recursive: true });
  await expect(watching.ended).rejects.toThrow(`${dir}: the run folder is no longer there`);
});

test("a folder that holds no run is refused", async () => {
  await expect(watch(tempFolder()).ended).rejects.toThrow("expected the record of a run");
});

test("Ctrl-C ends the command with 0 and nothing on stderr", async () => {
  const { dir } = await liveRun();
  const papo = startPapo(["watch", dir, "--interval", "0.05"]);
  let text = "";
  papo.child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await papo.until(() => text.includes("is running"));
  papo.child.kill("SIGINT");
  expect(await papo.ended).toBe(0);
  expect(papo.stderr()).toBe("");
});
