// papo generate, papo eval and papo train on another device than the CPU.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runWords } from "../../lib/cli/run-words.ts";
import { loadRunConfig } from "../../lib/config/load.ts";
import { runEvaluation } from "../../lib/eval/eval-run.ts";
import { generate } from "../../lib/eval/generate.ts";
import type { DeviceName } from "../../lib/native/binding.ts";
import { train } from "../../lib/trainer/run.ts";
import { kernelDevice, onCuda } from "../support/kernel-device.ts";
import { runPapo } from "../support/processes.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, steadyMetrics, trainWords } from "./world.ts";
import type { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
  // Heads of 64 numbers, which the device's decode attention takes, out of the same weights.
  const file = join(world.model, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const heads = { num_attention_heads: 2, num_key_value_heads: 1 };
  const rope_scaling = { type: "mrope", mrope_section: [8, 12, 12] };
  writeFileSync(file, JSON.stringify({ ...config, ...heads, rope_scaling }));
});
afterAll(() => {
  removeWorld(world);
});

const picture = () => join(dirname(world.data), (jsonLines(world.data)[0]?.images as string[])[0] ?? "");

test.skipIf(onCuda)("a build without CUDA says so, and no file is written", () => {
  const model = ["--model", world.model, "--device", "cuda"];
  const out = freshPath(world, "eval.jsonl");
  const evaluation = ["--data", world.data, "--out", out, "--reward", world.reward, "--max-tokens", "4"];
  for (const words of [
    ["generate", ...model, "--prompt", "What?"],
    ["eval", ...model, ...evaluation],
  ]) {
    const run = runPapo(words);
    expect(run).toMatchObject({ status: 1, stdout: "" });
    expect(run.stderr).toMatch(/expected cpu, got cuda, which this build/);
  }
  expect(() => readFileSync(out)).toThrow("ENOENT");
});

test("another word is a usage error", () => {
  const run = runPapo(["generate", "--model", world.model, "--prompt", "What?", "--device", "tpu"]);
  expect(run.status).not.toBe(0);
  expect(run.stderr).toContain("cpu, cuda");
});

test("the device gives the same responses as the CPU", async () => {
  const options = { model: world.model, prompt: "How many?", images: [picture()], n: 3, temperature: 1, maxTokens: 24 };
  const cpu = await generate({ ...options, device: "cpu" });
  const device = await generate({ ...options, device: kernelDevice });
  expect(device.responses.map(({ ids }) => [...ids])).toEqual(cpu.responses.map(({ ids }) => [...ids]));
});

test("and the same evaluation", async () => {
  const evaluated = async (device: DeviceName) => {
    const out = freshPath(world, "eval.jsonl");
    const { model, data, reward } = world;
    const { average } = await runEvaluation({ model, data, out, reward, device, n: 2, maxTokens: 8, limit: 3 });
    return { average, items: jsonLines(out) };
  };
  expect(await evaluated(kernelDevice)).toEqual(await evaluated("cpu"));
});

/** Metrics and sampled texts of a run, of which a process is resumed after the first step. */
async function trained(device: DeviceName, ...words: string[]) {
  const out = freshPath(world, "run");
  const [, recipe = "", ...overrides] = trainWords(world, "miniature-papo", out, ...words);
  const { trainer, ...config } = loadRunConfig(runWords(recipe, overrides.slice(0, -2), out));
  for (const maxSteps of [1, 3])
    await train({ ...config, trainer: { ...trainer, maxSteps, device: device as "cpu" } }, { resume: maxSteps > 1 });
  const texts = jsonLines(join(out, "samples", "step-000001.jsonl")).map(({ text }) => text);
  return { metrics: steadyMetrics(out), texts };
}

test("the same training steps, and a resumed run goes on", async () => {
  const [device, cpu] = [await trained(kernelDevice), await trained("cpu")];
  expect(device.texts).toEqual(cpu.texts);
  expect(device.metrics).toHaveLength(3);
  for (const [name, value] of Object.entries(cpu.metrics[0] ?? {})) {
    if (typeof value !== "number") continue;
    const off = Math.abs(Number(device.metrics[0]?.[name]) - value);
    expect(off, name).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
  }
});
