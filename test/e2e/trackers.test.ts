// A whole training run that logs everywhere: what each tracker has in the end equals metrics.jsonl.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPapoAsync } from "../support/processes.ts";
import { startMlflow } from "../trackers/mlflow-server.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, trainWords, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

const everywhere = ["trainer.loggers=[jsonl,tensorboard,mlflow,prometheus]", "trainer.prometheus.port=0"];
const steps = (out: string) => jsonLines(join(out, "metrics.jsonl"));

test("MLflow has every metric of every step, a picture and distributions are in TensorBoard, status.json says finished", async () => {
  const server = await startMlflow();
  const out = freshPath(world, "run");
  const words = trainWords(world, "miniature-papo", out, ...everywhere, "trainer.maxSteps=3");
  const { status, stderr } = await runPapoAsync(words, { MLFLOW_TRACKING_URI: server.uri });
  expect(stderr).toMatch(/^metrics for Prometheus: http:\/\/127\.0\.0\.1:\d+\/metrics\n$/u);
  expect(status).toBe(0);
  const [run] = [...server.runs.values()];
  expect(run?.status).toBe("FINISHED");
  const logged = new Map(run?.metrics.map(({ step, key, value }) => [`${step} ${key}`, value]));
  const expected = steps(out).flatMap(({ step, ...metrics }) =>
    Object.entries(metrics).flatMap(([name, value]) =>
      value === null ? [] : [[`${Number(step)} ${name}`, value] as const],
    ),
  );
  expect(expected.length).toBeGreaterThan(100);
  expect(Object.fromEntries(logged)).toEqual(Object.fromEntries(expected));
  expect(run?.params.get("algorithm.klPrcp.enabled")).toBe("true");
  const events = readdirSync(join(out, "tensorboard")).map((name) =>
    readFileSync(join(out, "tensorboard", name), "latin1"),
  );
  for (const tag of ["samples/picture", "distributions/reward", "distributions/kl_prcp", "\u0089PNG"])
    expect(events.join(""), tag).toContain(tag);
  expect(JSON.parse(readFileSync(join(out, "status.json"), "utf8"))).toMatchObject({ state: "finished", step: 3, totalSteps: 3 }); // prettier-ignore
});

test("trackers that are not there change nothing but a line each", async () => {
  const out = freshPath(world, "run");
  const words = trainWords(world, "miniature-papo", out, ...everywhere, "trainer.maxSteps=2");
  const { status, stderr } = await runPapoAsync(words, { MLFLOW_TRACKING_URI: "http://127.0.0.1:9" });
  expect(status).toBe(0);
  expect(steps(out)).toHaveLength(2);
  const lines = stderr.split("\n").filter((line) => line.startsWith("logger mlflow"));
  expect(lines).toHaveLength(2); // away; given up when the run ends
  expect(lines[1]).toMatch(/not sent when the run ended \(\d+ metric values lost\)/u);
});

test("a second trainer of one folder is refused while the first goes on", async () => {
  const out = freshPath(world, "run");
  const words = trainWords(world, "miniature-papo", out, "trainer.maxSteps=2");
  const results = await Promise.all([runPapoAsync(words, {}), runPapoAsync(words, {})]);
  expect(results.map(({ status }) => status).toSorted()).toEqual([0, 1]);
  expect(results.find(({ status }) => status === 1)?.stderr).toMatch(/^papo: trainer\.outDir: /u);
  expect(steps(out)).toHaveLength(2);
});
