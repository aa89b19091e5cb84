import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { MlflowLogger, type MlflowLoggerOptions } from "../../lib/trackers/mlflow-logger.ts";
import { mlflowSettings } from "../../lib/trackers/mlflow-settings.ts";
import { LoggerSet } from "../../lib/trainer/loggers.ts";
import { runConfig } from "../support/config.ts";
import { tempFolder } from "../support/temp.ts";
import { type MlflowServer, startMlflow } from "./mlflow-server.ts";

const build = { papo: "0.1.0", torch: "2.14" };
const record = {
  command: "train",
  config: {},
  git: { commit: "c0ffee", branch: "main", dirty: false },
  build,
} as const;
const quick = { attempts: Infinity, baseDelayMs: 1, maxDelayMs: 2 };

interface Started {
  readonly dir?: string;
  readonly env?: Record<string, string>;
  readonly options?: Partial<MlflowLoggerOptions>;
}

function startLogger({ uri }: Pick<MlflowServer, "uri">, { dir = tempFolder(), env = {}, options = {} }: Started = {}) {
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const settings = mlflowSettings({ uri, experiment: "digits" }, env);
  const config = runConfig({ seed: 7, trainer: { experimentName: "first" } });
  const logger = new MlflowLogger(settings, config, { dir, record }, { say, retry: quick, ...options });
  const set = new LoggerSet([logger], say);
  onTestFinished(() => set.close("failed"));
  return { set, said, dir };
}

const theRun = ({ runs }: MlflowServer) => {
  expect(runs.size).toBe(1);
  return [...runs.values()][0];
};

const theRunSoFar = ({ runs }: MlflowServer) => [...runs.values()][0];

test("a run has its experiment, name, settings, tags, metrics, texts and end", async () => {
  const server = await startMlflow();
  const { set, said, dir } = startLogger(server);
  await set.logStep(1, { "reward/overall": 0.5, "actor/lr": 1e-6, "actor/grad_norm": Number.NaN });
  await set.logStep(2, { "reward/overall": 0.75, "reward/what? a//name": 3 });
  await set.logText(2, "val/generations", "prompt: é");
  await set.close("finished");
  expect(said).toEqual([]);
  const run = theRun(server);
  expect(server.experiments.get("digits")).toBe(run?.experiment_id);
  expect(run).toMatchObject({ run_name: "first", status: "FINISHED", end_time: expect.any(Number) as number });
  expect(run?.metrics.map(({ key, value, step }) => [step, key, value])).toEqual([
    [1, "reward/overall", 0.5],
    [1, "actor/lr", 1e-6],
    [2, "reward/overall", 0.75],
    [2, "reward/what_ a/_/name", 3],
  ]);
  expect(run?.params.get("seed")).toBe("7");
  expect(run?.params.get("optim.betas")).toBe("[0.9,0.999]");
  expect(run?.params.get("trainer.mlflow.uri")).toBe("null");
  expect(run?.params.size).toBeGreaterThan(100); // more than one request takes
  expect(Object.fromEntries(run?.tags ?? [])).toMatchObject({
    "mlflow.source.name": "papo train",
    "mlflow.source.git.commit": "c0ffee",
    "papo.torch": "2.14",
  });
  expect(run?.artifacts.get("val/generations/step-000002.txt")).toBe("prompt: é");
  expect(JSON.parse(run?.artifacts.get("config.json") ?? "")).toMatchObject({ command: "train" });
  expect(JSON.parse(readFileSync(join(dir, ".mlflow.json"), "utf8"))).toEqual({ uri: server.uri, runId: run?.run_id });
});

test.for([
  ["failed", "FAILED"],
  ["interrupted", "KILLED"],
  ["stopped", "KILLED"],
] as const)("a run that %s is %s", async ([outcome, status]) => {
  const server = await startMlflow();
  await startLogger(server).set.close(outcome);
  expect(theRun(server)?.status).toBe(status);
});

test("a resumed run goes on in its MLflow run, another one where that is gone", async () => {
  const server = await startMlflow();
  const { set, dir } = startLogger(server);
  await set.logStep(1, { a: 1 });
  await set.close("interrupted");
  const again = startLogger(server, { dir });
  await again.set.logStep(2, { a: 2 });
  await again.set.close("finished");
  expect(theRun(server)).toMatchObject({ status: "FINISHED", metrics: [{ step: 1 }, { step: 2 }] });
  server.runs.clear();
  const third = startLogger(server, { dir });
  await third.set.close("finished");
  expect(theRun(server)?.metrics).toEqual([]);
  expect([...again.said, ...third.said]).toEqual([]);
});

test("many metrics go in batches that the server takes, in order", async () => {
  const server = await startMlflow();
  const { set } = startLogger(server);
  for (let step = 1; step <= 37; step += 1)
    await set.logStep(step, Object.fromEntries(Array.from({ length: 111 }, (_, index) => [`m${index}`, step])));
  await set.close("finished");
  expect(server.batches.reduce((sum, size) => sum + size)).toBe(37 * 111);
  expect(server.batches.length).toBeLessThan(12); // 4,107 values; a batch a step would be 37
  const steps = theRun(server)?.metrics.map(({ step }) => step);
  expect(steps).toEqual(steps?.toSorted((a, b) => a - b));
});

test.for([503, 429, "cut"] as const)(
  "a server that fails with %s for a while gets everything in the end",
  async (fail) => {
    const server = await startMlflow({ fail });
    const { set, said } = startLogger(server);
    await set.logStep(1, { a: 1 });
    await set.logStep(2, { a: 2 });
    while (server.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    server.behaviour.fail = undefined;
    await set.close("finished");
    expect(theRun(server)).toMatchObject({ status: "FINISHED", metrics: [{ value: 1 }, { value: 2 }] });
    expect(said).toHaveLength(1); // however often it failed
    expect(said[0]).toMatch(/^logger mlflow: http:.*; trying again while the run goes on$/u);
  },
);

test("a server that hangs holds up no step; at the end it is named with what was lost", async () => {
  const server = await startMlflow({ fail: "hang" });
  const { set, said } = startLogger(server, { options: { closeMs: 500 } });
  await set.logStep(1, { a: 1 });
  await set.logStep(2, { a: 2, b: 3 });
  await set.close("finished");
  expect(server.requests).toHaveLength(1);
  expect(said).toEqual([
    "logger mlflow failed and is off from here on: not sent when the run ended (3 metric values lost)",
  ]);
});

test("values under way when the run ends count as lost", async () => {
  const server = await startMlflow();
  const { set, said } = startLogger(server, { options: { closeMs: 37 } });
  while (!theRunSoFar(server)?.artifacts.has("config.json")) await new Promise((resolve) => setTimeout(resolve, 1));
  server.behaviour.fail = "hang";
  await set.logStep(1, { a: 1, b: 2 });
  await set.close("finished");
  expect(said).toHaveLength(1);
  expect(said[0]).toContain("(2 metric values lost)");
});

test("a request without an answer is given up and made again", async () => {
  const server = await startMlflow({ fail: "hang" });
  const { set, said } = startLogger(server, { options: { timeoutMs: 250 } });
  while (server.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  server.behaviour.fail = undefined;
  await set.close("finished");
  expect(theRun(server)?.status).toBe("FINISHED");
  expect(said[0]).toContain("no answer in time");
});

test("while the server is away the oldest values beyond the queue are dropped and counted", async () => {
  const server = await startMlflow({ fail: 503 });
  const { set, said } = startLogger(server, { options: { maxQueued: 7 } });
  for (let step = 1; step <= 10; step += 1) await set.logStep(step, { a: step });
  server.behaviour.fail = undefined;
  await set.close("finished");
  expect(theRun(server)?.metrics.map(({ step }) => step)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  expect(said.at(-1)).toContain("3 metric values did not fit into the queue");
});

test.for([
  ["token", { MLFLOW_TRACKING_TOKEN: "s3cret" }, "Bearer s3cret"],
  ["user", { MLFLOW_TRACKING_USERNAME: "ada", MLFLOW_TRACKING_PASSWORD: "p:w" }, `Basic ${btoa("ada:p:w")}`],
] as const)("it logs in with a %s", async ([, env, authorization]) => {
  const server = await startMlflow({ authorization });
  const { set, said } = startLogger(server, { env });
  await set.close("finished");
  expect(said).toEqual([]);
  expect(theRun(server)?.status).toBe("FINISHED");
});

test("a refused login is said once, without the secret, and ends the logger only", async () => {
  const server = await startMlflow({ authorization: "Bearer right" });
  const { set, said } = startLogger(server, { env: { MLFLOW_TRACKING_TOKEN: "wrong-s3cret" } });
  while (server.requests.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await set.logStep(1, { a: 1 });
  await set.logStep(2, { a: 1 });
  await set.close("finished");
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/^logger mlflow failed and is off from here on: .*status 401.*MLFLOW_TRACKING_TOKEN/u);
  expect(said.join()).not.toContain("s3cret");
  expect(server.requests).toHaveLength(1); // no retry helps
});

test("a server that keeps artifacts elsewhere still gets the metrics", async () => {
  const server = await startMlflow({ artifactRoot: "s3://bucket" });
  const { set, said } = startLogger(server);
  await set.logStep(1, { a: 1 });
  await set.logText(1, "val/generations", "text");
  await set.close("finished");
  expect(said).toEqual([]);
  expect(theRun(server)).toMatchObject({ status: "FINISHED", metrics: [{ key: "a" }] });
  expect(theRun(server)?.artifacts.size).toBe(0);
});

test("the address is the setting's or MLFLOW_TRACKING_URI, of a server, and holds no password", () => {
  const from = (uri: string | null, env: Record<string, string> = {}) => mlflowSettings({ uri, experiment: null }, env);
  expect(from("http://a:5000/", { MLFLOW_TRACKING_URI: "http://b" })).toMatchObject({ uri: "http://a:5000" });
  expect(from(null, { MLFLOW_TRACKING_URI: " http://b " })).toMatchObject({ uri: "http://b", experiment: "papo" });
  expect(from("http://a", { MLFLOW_EXPERIMENT_NAME: "x" })).toMatchObject({
    experiment: "x",
    authorization: undefined,
  });
  expect(() => from(null)).toThrow(
    "trainer.mlflow.uri: expected the http or https address of an MLflow server, here or",
  );
  expect(() => from("sqlite:///mlflow.db")).toThrow('got "sqlite:///mlflow.db"');
  expect(() => from("http://ada:pw@a")).toThrow("expected an address without user and password");
});
