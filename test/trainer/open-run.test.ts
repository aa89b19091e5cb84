import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { runEvaluation } from "../../lib/eval/eval-run.ts";
import { generate } from "../../lib/eval/generate.ts";
import { train } from "../../lib/trainer/run.ts";
import { freshPath, makeWorld, removeWorld, trainWords, type World } from "../e2e/world.ts";
import { tempFolder } from "../support/temp.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

/** A hub that never answers; the signal is aborted by the first request. */
async function silentHub(): Promise<AbortSignal> {
  const controller = new AbortController();
  const server = createServer(() => {
    controller.abort(new DOMException("interrupted", "AbortError"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv("HF_HOME", tempFolder());
  onTestFinished(() => {
    vi.unstubAllEnvs();
    server.closeAllConnections();
    server.close();
  });
  return controller.signal;
}

const out = () => freshPath(world, "run");
const run = (signal: AbortSignal, setting: string) =>
  train(loadRunConfig([...trainWords(world, "miniature-grpo", "").slice(1, -2), setting, `trainer.outDir=${out()}`]), {
    signal,
    say: () => undefined,
  });

test.for([
  ["papo train's model", (signal) => run(signal, "model.path=some/model")],
  ["papo train's data", (signal) => run(signal, "data.train=some/rows")],
  ["papo eval's model", (signal) => runEvaluation({ model: "some/model", data: world.data, out: out(), signal })],
  ["papo eval's data", (signal) => runEvaluation({ model: world.model, data: "some/rows", out: out(), signal })],
  ["papo generate's model", (signal) => generate({ model: "some/model", prompt: "?", signal })],
] as [string, (signal: AbortSignal) => Promise<unknown>][])("Ctrl-C stops the download of %s", async ([, start]) => {
  await expect(start(await silentHub())).rejects.toThrow("interrupted");
});
