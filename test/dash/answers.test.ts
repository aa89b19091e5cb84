// What a dashboard tells of its folders, whoever filled them.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import type {
  ConfigReply,
  EvaluationsReply,
  RunSummary,
  SampleFile,
  SamplesReply,
  SeriesReply,
} from "../../lib/dash/api.ts";
import { CollapseGuard } from "../../lib/guard/guard.ts";
import { MetricsFile } from "../../lib/trainer/metrics-file.ts";
import { writeRunStatus } from "../../lib/trainer/run-status.ts";
import { guardConfig } from "../guard/curves.ts";
import { tempFolder } from "../support/temp.ts";
import { ask, askJson, openFor, until, writeRun } from "./run-folders.ts";

async function openRead(folders: readonly string[]): Promise<string> {
  const { url } = await openFor(folders);
  const runs = async () => (await askJson<{ runs: RunSummary[] }>(url, "/api/runs")).runs;
  await until(async () => (await runs()).every(({ readShare }) => readShare === 1));
  return url;
}

const response = { step: 1, id: "a", promptText: "?", answer: "7", numImages: 0, response: 0, text: "7" };
const lines = (...values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");

test("curves of a run come whole, or in a range with as many points as asked for", async () => {
  const rows = Array.from({ length: 1000 }, (_, index) => ({ "actor/lr": index / 7, "odd name &=#?": index }));
  const url = await openRead([writeRun(tempFolder(), rows)]);
  const reply = await askJson<SeriesReply>(url, "/api/runs/0/series?metric=actor/lr&points=50");
  expect(reply.numRows).toBe(1000);
  expect(reply.series["actor/lr"]?.steps).toHaveLength(50);
  expect(reply.series["actor/lr"]?.max.at(-1)).toBe(999 / 7);
  const part = `/api/runs/0/series?metric=${encodeURIComponent("odd name &=#?")}&from=10&to=12`;
  expect((await askJson<SeriesReply>(url, part)).series).toEqual({
    "odd name &=#?": { steps: [10, 11, 12], mean: [9, 10, 11], min: [9, 10, 11], max: [9, 10, 11], count: 3 },
  });
  for (const path of ["/api/runs/1/series", "/api/runs/-1/series", "/api/runs/x/series", "/api/runs/0x0/series"])
    expect((await ask(url, path)).status, path).toBe(404);
});

test("a run says its units, broken lines, alarms and how it ended", async () => {
  const folder = writeRun(tempFolder(), [{ "actor/kl_prcp_loss": -1, mine: null }], { trainer: { maxSteps: 40 } });
  writeFileSync(join(folder, "metrics.jsonl"), "garbage\n", { flag: "a" });
  const alarm = { step: 7, signal: "kl", event: "start", action: "warn", metric: "m", value: 1, mean: 2, threshold: 3 };
  writeFileSync(join(folder, "alarms.jsonl"), `${lines(alarm, { step: "x" }, [1])}{"step":8,"sig`);
  writeFileSync(join(folder, "status.json"), JSON.stringify({ state: "failed", totalSteps: 41 }));
  const url = await openRead([folder]);
  await until(async () => (await askJson<{ runs: RunSummary[] }>(url, "/api/runs")).runs[0]?.alarms.length === 1);
  const { runs } = await askJson<{ runs: RunSummary[] }>(url, "/api/runs");
  expect(runs[0]).toMatchObject({
    status: "failed",
    totalSteps: 41,
    numBadLines: 1,
    alarms: [{ ...alarm, signals: [], klPrcpFactor: null }],
  });
  expect(runs[0]?.metrics).toEqual([{ name: "actor/kl_prcp_loss", unit: "nat", numNonFinite: 0 }]);
});

test("alarms are those that the guard writes: of signals, of the collapse, and of what was done", async () => {
  const folder = writeRun(tempFolder(), [{ a: 1 }]);
  const guard = new CollapseGuard(guardConfig({ action: "backoff", warmupSteps: 0, window: 1, reference: 2, lag: 1, patience: 1 })); // prettier-ignore
  await using file = await MetricsFile.open(join(folder, "alarms.jsonl"));
  for (const [index, kl] of [-0.1, -0.1, -0.1, -0.9].entries()) {
    const accuracy = kl === -0.1 ? 0.5 : 0.1;
    const { lines: written } = guard.observe(index + 1, { "actor/kl_prcp_loss": kl, "reward/accuracy": accuracy });
    for (const line of written) await file.append(index + 1, line);
  }
  await writeRunStatus(folder, { state: "stopped", step: 4, totalSteps: 7 });
  const url = await openRead([folder]);
  const run = async () => (await askJson<{ runs: RunSummary[] }>(url, "/api/runs")).runs[0];
  await until(async () => (await run())?.alarms.length === 3);
  const none = { metric: "", value: null, mean: null, threshold: null };
  const alone = { step: 4, event: "start", action: "warn", signals: [], klPrcpFactor: null };
  // The KL's mean is 0.1 and its ratio 5; accuracy may fall to 0.95 of 0.5.
  expect(await run()).toMatchObject({
    status: "stopped",
    alarms: [
      { ...alone, signal: "kl_prcp", metric: "actor/kl_prcp_loss", value: 0.9, mean: 0.1, threshold: 0.5 },
      { ...alone, signal: "accuracy", metric: "reward/accuracy", value: 0.1, mean: 0.5, threshold: 0.475 },
      { ...none, step: 4, signal: "collapse", event: "start", action: "backoff", signals: ["kl_prcp", "accuracy"], klPrcpFactor: 0.5 }, // prettier-ignore
    ],
  });
});

test("samples come by group with rewards, tokens and pictures; broken lines are counted", async () => {
  const folder = writeRun(tempFolder(), [{ a: 1 }]);
  const samples = join(folder, "samples");
  mkdirSync(join(samples, "step-000001"));
  const png = await sharp({ create: { width: 3, height: 2, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  writeFileSync(join(samples, "step-000001", "0-0.png"), png);
  const pictures = [
    { plain: "step-000001/0-0.png", masked: ["../secret.png", 7, "step-000001/0-0.png"] },
    { plain: "/etc/x.png" },
  ];
  const scored = { "reward/overall": 1, "reward/odd": "x", advantage: 0.5, klPrcp: null };
  const tokens = { tokens: ["7", "<|im_end|>"], logProbs: [-1, -2], maskedLogProbs: [-3, -4] };
  writeFileSync(
    join(samples, "step-000001.jsonl"),
    `${lines({ ...response, pictures, ...scored, ...tokens }, { ...response, text: "8", ...tokens, logProbs: [1] }, { ...response, id: "b" }, [], { id: 1 })}{"step":1,"te`,
  );
  for (const name of ["val-step-000001.jsonl", "step-x.jsonl", ".tmp-1-step-000002.jsonl"])
    writeFileSync(join(samples, name), "");
  const url = await openRead([folder]);
  expect(await askJson<SampleFile[]>(url, "/api/runs/0/samples")).toEqual([
    { name: "step-000001", step: 1, kind: "training" },
    { name: "val-step-000001", step: 1, kind: "validation" },
  ]);
  const reply = await askJson<SamplesReply>(url, "/api/runs/0/samples/step-000001");
  expect(reply.numBadLines).toBe(3);
  expect(reply.groups.map(({ id, responses }) => [id, responses.length])).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
  expect(reply.groups[0]?.pictures).toEqual([{ plain: "step-000001/0-0.png", masked: ["step-000001/0-0.png"] }]);
  expect(reply.groups[0]?.responses).toMatchObject([
    { text: "7", reward: { overall: 1 }, advantage: 0.5, klPrcp: null, ...tokens },
    { text: "8", tokens: [], logProbs: [], maskedLogProbs: [] }, // lists that do not belong together
  ]);
  expect(await ask(url, "/api/runs/0/pictures/step-000001/0-0.png")).toMatchObject({
    status: 200,
    headers: {
      "content-type": "image/png",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
    },
    body: png,
  });
});

test("no path, no link and no disguise brings out what is not a picture or a sample of the run", async () => {
  const outer = tempFolder();
  const folder = writeRun(join(outer, "run"), [{ a: 1 }]);
  const samples = join(folder, "samples");
  const step = join(samples, "step-000001");
  mkdirSync(step);
  const png = await sharp({ create: { width: 3, height: 2, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  writeFileSync(join(outer, "secret.png"), png);
  writeFileSync(join(outer, "secret.jsonl"), lines({ ...response, text: "secret" }));
  symlinkSync(join(outer, "secret.png"), join(step, "link.png"));
  symlinkSync(join(outer, "secret.jsonl"), join(samples, "step-000003.jsonl"));
  symlinkSync(outer, join(samples, "step-000002"));
  symlinkSync("/", join(folder, "evil"));
  writeFileSync(join(step, "page.png"), "<!doctype html><script>alert(1)</script>");
  writeFileSync(join(step, "vector.svg"), '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  execFileSync("mkfifo", [join(step, "pipe.png")]);
  mkdirSync(join(step, "folder.png"));
  const url = await openRead([folder]);
  for (const file of [
    "step-000001/link.png",
    "step-000002/secret.png",
    "step-000001/page.png",
    "step-000001/pipe.png",
    "step-000001/folder.png",
  ])
    expect((await ask(url, `/api/runs/0/pictures/${file}`)).status, file).toBe(403);
  const paths = [
    "/api/runs/0/pictures/step-000001/vector.svg",
    "/api/runs/0/pictures/step-000001/..%2f..%2f..%2fsecret.png",
    "/api/runs/0/pictures/..%2f..%2f/secret.png",
    "/api/runs/0/pictures/step-000001/../../../secret.png",
    "/api/runs/0/samples/..%2f..%2fsecret",
    "/api/runs/0/samples/../../secret.jsonl",
    "/../package.json",
    "/..%2f..%2fpackage.json",
    "/assets/../../../package.json",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
  ];
  for (const path of paths) {
    const { status, body } = await ask(url, path);
    expect(status, path).toBe(404);
    expect(body.toString(), path).toMatch(/^not there|^no such/u);
  }
  expect((await ask(url, "/api/runs/0/samples/step-000003")).status).toBe(403);
});

test("settings are flat, with those of git and build, and a run without a record has none", async () => {
  const config = { seed: 7, data: { train: "x", keys: ["a", "b"] }, notes: {}, deep: { a: { b: null } } };
  const [one, two] = [writeRun(tempFolder(), [{ a: 1 }], config), writeRun(tempFolder(), [{ a: 1 }])];
  writeFileSync(join(two, "config.json"), "{");
  const url = await openRead([one, two]);
  expect(await askJson<ConfigReply>(url, "/api/config")).toEqual({
    runs: [
      {
        run: 0,
        settings: {
          ...{ seed: "7", "data.train": '"x"', "data.keys": '["a","b"]', notes: "{}", "deep.a.b": "null" },
          ...{ command: '"train"', "build.papo": '"0.1.0"' },
        },
      },
      { run: 1, settings: {} },
    ],
  });
});

test("a result that papo reproduce keeps has its settings in run.json", async () => {
  const result = writeRun(tempFolder(), [{ a: 1 }]);
  rmSync(join(result, "config.json"));
  const run = {
    method: "grpo",
    settings: { optim: { lr: 1e-4 } },
    revision: { commit: "c0" },
    build: { papo: "0.1.0" },
  };
  writeFileSync(join(result, "run.json"), JSON.stringify(run));
  const url = await openRead([result]);
  expect((await askJson<ConfigReply>(url, "/api/config")).runs[0]?.settings).toEqual({
    ...{ "optim.lr": "0.0001", "git.commit": '"c0"', "build.papo": '"0.1.0"' },
  });
});

test("evaluations over data and over benchmarks are found in a run, beside it, and not behind a link", async () => {
  const outer = tempFolder();
  const run = writeRun(join(outer, "run"), [{ a: 1 }]);
  const evaluation = (folder: string, summary: unknown, settings: unknown = {}) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "summary.json"), JSON.stringify(summary));
    writeFileSync(join(folder, "settings.json"), JSON.stringify(settings));
  };
  evaluation(
    join(run, "eval", "last"),
    { n: 8, rows: 3, average: { overall: 0.5, accuracy: 0.25, odd: "x" } },
    { model: "m", data: "d" },
  );
  const benchmark = {
    id: "geo3k",
    name: "Geo3K",
    n: 4,
    avgAtN: 0.5,
    passAtN: 0.75,
    majorityAtN: 0.6,
    complete: false,
    interval: { low: 0.4, high: 0.6 },
  };
  const averages = { general: { avgAtN: 0.5, passAtN: 0.75, majorityAtN: 0.6, complete: false } };
  evaluation(join(outer, "nine"), {
    identity: { model: "m" },
    settingsFingerprint: "f",
    benchmarks: [benchmark, 7],
    averages,
  });
  evaluation(join(outer, "nine", "geo3k"), { ...benchmark, average: {} });
  evaluation(join(outer, "elsewhere", "e"), { n: 1, average: { overall: 1 } });
  symlinkSync(join(outer, "elsewhere"), join(run, "link"));
  const url = await openRead([run, join(outer, "nine")]);
  const { evaluations } = await askJson<EvaluationsReply>(url, "/api/evaluations");
  const plain = { low: null, high: null, complete: true };
  const cut = { value: 0.5, low: null, high: null, complete: false };
  expect(evaluations).toEqual([
    {
      ...{ name: join("run", "eval", "last"), folder: join(run, "eval", "last"), model: "m", settings: "d" },
      measures: { "avg@8": { overall: { ...plain, value: 0.5 }, accuracy: { ...plain, value: 0.25 } } },
    },
    {
      ...{ name: "nine", folder: join(outer, "nine"), model: "m", settings: "f" },
      measures: {
        "avg@4": { Geo3K: { ...cut, low: 0.4, high: 0.6 }, "mean, general": cut },
        "pass@4": { Geo3K: { ...cut, value: 0.75 }, "mean, general": { ...cut, value: 0.75 } },
        "majority@4": { Geo3K: { ...cut, value: 0.6 }, "mean, general": { ...cut, value: 0.6 } },
      },
    },
  ]);
});
