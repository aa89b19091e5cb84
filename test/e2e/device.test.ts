// papo generate and papo eval on another device than the CPU.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runEvaluation } from "../../lib/eval/eval-run.ts";
import { generate } from "../../lib/eval/generate.ts";
import { loadNative } from "../../lib/native/load.ts";
import { runPapo } from "../support/processes.ts";
import { freshPath, jsonLines, makeWorld, removeWorld } from "./world.ts";
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
const onCuda = loadNative().runtimeInfo().cuda !== undefined;

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

test.skipIf(onCuda)("the device gives the same responses as the CPU", async () => {
  const options = { model: world.model, prompt: "How many?", images: [picture()], n: 3, temperature: 1, maxTokens: 24 };
  const cpu = await generate({ ...options, device: "cpu" });
  const device = await generate({ ...options, device: "emulated" });
  expect(device.responses.map(({ ids }) => [...ids])).toEqual(cpu.responses.map(({ ids }) => [...ids]));
});

test.skipIf(onCuda)("and the same evaluation", async () => {
  const evaluated = async (device: "cpu" | "emulated") => {
    const out = freshPath(world, "eval.jsonl");
    const { model, data, reward } = world;
    const { average } = await runEvaluation({ model, data, out, reward, device, n: 2, maxTokens: 8, limit: 3 });
    return { average, items: jsonLines(out) };
  };
  expect(await evaluated("emulated")).toEqual(await evaluated("cpu"));
});
