import { writeFileSync } from "node:fs";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PrometheusLogger, type PrometheusSettings } from "../../lib/trackers/prometheus-logger.ts";
import { createLoggers } from "../../lib/trainer/loggers.ts";
import { RunFolder } from "../../lib/trainer/run-folder.ts";
import { StepTable } from "../../lib/trainer/step-table.ts";
import { errorOf, minimal, runOf } from "../config/support.ts";
import { runConfig } from "../support/config.ts";
import { tempFolder } from "../support/temp.ts";

async function start(settings: Partial<PrometheusSettings> = {}): Promise<PrometheusLogger> {
  const logger = await PrometheusLogger.start({ host: "127.0.0.1", port: 0, tokenFile: null, ...settings }, "mine");
  onTestFinished(() => logger.close());
  return logger;
}

/** fetch() does not let a caller choose the Host header. */
async function get(url: string, headers: Record<string, string> = {}, method = "GET") {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(url, { headers, method }, resolve).on("error", reject).end();
  });
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, text, type: response.headers["content-type"] };
}

test("the newest metrics are served with run, unit and step; names become what Prometheus takes", async () => {
  const logger = await start();
  logger.logStep(6, { "reward/overall": 0.25 });
  logger.logStep(7, { "reward/overall": 0.5, "timing_s/gen": 1.5, "reward/a-b": 1, "reward/a b": 2, "actor/lr": NaN });
  const { status, text, type } = await get(logger.url);
  expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  const lines = text.split("\n");
  expect(lines).toContain('papo_reward_overall{run="mine"} 0.5');
  expect(lines).toContain('papo_step{run="mine"} 7');
  expect(lines).toContain("# HELP papo_timing_s_gen timing_s/gen, s");
  expect(lines).toContain("# TYPE papo_timing_s_gen gauge");
  expect(lines).toContain('papo_reward_a_b{run="mine"} 2');
  expect(lines).toContain('papo_actor_lr{run="mine"} Nan');
});

test("only /metrics is there, only to read, and not under another name of this machine", async () => {
  const logger = await start();
  const other = (path: string) => logger.url.replace("/metrics", path);
  expect((await get(other("/"))).status).toBe(404);
  expect((await get(other("/../config.json"))).status).toBe(404);
  expect((await get(logger.url, {}, "POST")).status).toBe(405);
  expect((await get(logger.url, { host: "evil.example" })).status).toBe(403);
  expect((await get(logger.url, { host: `localhost:${new URL(logger.url).port}` })).status).toBe(200);
});

test("with a token nothing is served without it", async () => {
  const tokenFile = join(tempFolder(), "token");
  writeFileSync(tokenFile, "s3cret\n");
  const logger = await start({ tokenFile });
  logger.logStep(1, { "reward/overall": 0.5 });
  for (const authorization of ["", "Bearer s3cre", "Bearer s3cret0", "s3cret"])
    expect(await get(logger.url, { authorization })).toMatchObject({ status: 401, text: "401\n" });
  expect((await get(logger.url, { authorization: "Bearer s3cret" })).text).toContain("papo_reward_overall");
  writeFileSync(tokenFile, "\n");
  await expect(start({ tokenFile })).rejects.toThrow("expected a token in");
  await expect(start({ tokenFile: join(tempFolder(), "absent") })).rejects.toThrow(
    "trainer.prometheus.tokenFile: ENOENT",
  );
});

test("a host that others reach needs a token", async () => {
  await expect(start({ host: "0.0.0.0" })).rejects.toThrow("trainer.prometheus.tokenFile: expected a file");
  const words = ["trainer.loggers=[prometheus]", "trainer.prometheus.host=0.0.0.0"];
  const { message } = errorOf(() => runOf(minimal, ...words));
  expect(message).toContain("trainer.prometheus.tokenFile: expected a file, as other machines");
  expect(runOf(minimal, "trainer.loggers=[prometheus]", "trainer.prometheus.host=127.0.0.7")).toBeDefined();
});

test("a port in use is said once and the run's other loggers go on", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  const config = runConfig({ trainer: { loggers: ["prometheus", "jsonl"], prometheus: { port } } });
  const record = { command: "train", config, git: undefined, build: {} } as const;
  await using run = await RunFolder.open({ dir: join(tempFolder(), "run"), record, resume: false });
  const said: string[] = [];
  const table = new StepTable({ write: () => true }, 7, {});
  await using loggers = await createLoggers(config, run, table, (line) => said.push(line));
  await loggers.logStep(1, { a: 1 });
  expect(said).toEqual([
    `logger prometheus could not start: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  ]);
});
