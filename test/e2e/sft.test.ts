import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { generate } from "../../lib/eval/generate.ts";
import { writeMiniature } from "../../lib/miniature/dataset.ts";
import { readHeader } from "../../lib/policy/safetensors.ts";
import { runPapo } from "../support/processes.ts";
import { jsonLines, makeWorld, numLogged, removeWorld } from "./world.ts";

test("papo sft over-fits eight rows, and its checkpoint opens again as an ordinary one", async () => {
  const world = await makeWorld();
  onTestFinished(() => {
    removeWorld(world);
  });
  const data = await writeMiniature(join(world.dir, "sft"), { split: "sft", seed: 1, count: 8, rows: 1, columns: 2 });
  const out = join(world.dir, "run");
  const settings = {
    "model.path": world.model,
    "data.train": data,
    "data.val": data,
    "data.rolloutBatchSize": 8,
    "optim.globalBatchSize": 8,
    "optim.lr": 3e-3,
    "trainer.maxSteps": 40,
    "trainer.totalEpochs": 40,
    "trainer.valFreq": -1,
    "trainer.saveFreq": -1,
  };
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  const run = runPapo(["sft", "miniature-grpo", ...words, "--out", out]);
  expect(run).toMatchObject({ status: 0, stderr: "" });
  const checkpoint = join(out, "checkpoints", "step-000040");
  expect(run.stdout).toContain(`checkpoint: ${checkpoint}`);

  expect(numLogged(out)).toBe(41); // and the validation before the first step
  const metrics = jsonLines(join(out, "metrics.jsonl"));
  const losses = metrics.flatMap((line) => line["val/sft_loss"] ?? []).map(Number);
  expect(losses).toHaveLength(2);
  expect(losses[1]).toBeLessThan((losses[0] ?? 0) / 3);

  // The hub's names, and what was trained is what is saved: a reader of its own gets the greedy output of the command.
  const names = [...(await readHeader(join(checkpoint, "model.safetensors"))).tensors.keys()];
  const source = [...(await readHeader(join(world.model, "model.safetensors"))).tensors.keys()];
  expect(names.toSorted()).toEqual(source.toSorted());
  const row = jsonLines(data)[0] as { problem: string; images: string[]; response: string };
  const image = join(world.dir, "sft", row.images[0] ?? "");
  const { responses } = await generate({ model: checkpoint, prompt: row.problem, images: [image], maxTokens: 40 });
  const command = ["generate", "--model", checkpoint, "--prompt", row.problem, "--image", image, "--max-tokens", "40"];
  expect(runPapo(command).stdout).toBe(`${responses[0]?.text}\n`);
  expect(responses[0]).toMatchObject({ finishReason: "stop" });
  expect(responses[0]?.text.slice(0, 8)).toBe(row.response.slice(0, 8));
  expect(JSON.parse(readFileSync(join(checkpoint, "config.json"), "utf8"))).toMatchObject({ model_type: "qwen2_5_vl" });
});
