import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { benchStep, type StepCommandOptions } from "../../lib/bench/step-command.ts";
import { runStepBench, type StepBenchOptions, type StepRecord } from "../../lib/bench/step.ts";
import type { MaskedView, ScoreOptions } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { promptInput } from "../../lib/rollout/rollout.ts";
import { keep } from "../support/tiny-policy.ts";
import { tempFolder } from "../support/temp.ts";
import { load, model, smallWorkload } from "./world.ts";

const native = loadNative();
const small: StepBenchOptions = {
  ...{ n: 3, response: 7, mini: 0, steps: 1, dtype: "float32", seed: 5 },
  ...{ maxTokens: 4096, checkpointActivations: false, device: "cpu", randomWeights: false, optimizer: "adamw" },
};

/** Log-probs of a record's responses by a policy that has just been opened. */
async function freshLogProbs(workload: string, record: StepRecord, view?: MaskedView): Promise<number[]> {
  using policy = await Policy.open(model, { dtype: "float32" });
  const prompts = await load(workload);
  const groups = prompts.map((prompt, index) => ({
    prompt: promptInput(prompt),
    responses: (record.responses[index] ?? []).map((ids) => Int32Array.from(ids)),
  }));
  const options: ScoreOptions = { temperature: 1, entropy: false, maxTokens: 4096, ...(view ? { view } : {}) };
  const scores = await native.computeLogProbs(policy.handle, keep(native.createBatch(groups)), options);
  return Array.from(await native.logProbValues(keep(scores)));
}

const view: MaskedView = {
  ...{ mode: "patch", patchPx: 14, ratio: 0.6, exact: false, fill: "black", seed: 5, perResponse: false },
};

test("what a step records is what a fresh policy computes: log-probs, masked ones, dropped cells", async () => {
  const workload = await smallWorkload();
  const { record, result } = await runStepBench(model, workload, small);
  expect(record.responses.map((group) => group.map(({ length }) => length))).toEqual(Array(3).fill([7, 7, 7]));
  expect(result.response_tokens).toBe(63);
  expect(record.ref).toEqual(await freshLogProbs(workload, record));
  expect(record.aug).toEqual(await freshLogProbs(workload, record, view));
  expect(record.aug.slice(0, 21)).not.toEqual(record.ref.slice(0, 21));
  expect(record.aug.slice(21, 42)).toEqual(record.ref.slice(21, 42)); // the prompt without a picture
  expect(record.old).toBeUndefined();
  expect(record.droppedCells.map(({ length }) => length)).toEqual([24, 24]);
  expect(record.gradNorm).toBeGreaterThan(0);
});

test("optimizer steps after the first take the old log-probs from a pass of their own", async () => {
  const workload = await smallWorkload();
  const { record, result } = await runStepBench(model, workload, { ...small, mini: 3 });
  expect(record.old?.slice(0, 21)).toEqual(Array(21).fill(NaN));
  expect(record.old?.slice(21)).toEqual(record.ref.slice(21)); // neither policy has moved
  expect(result.old_s).toBeGreaterThanOrEqual(0);
});

test("responses are cut to the lengths in turn, and the same seed gives the same step", async () => {
  const workload = await smallWorkload();
  const cut = { ...small, lengths: [7, 1, 0, 3] };
  const { record, result } = await runStepBench(model, workload, cut);
  expect(record.responses.flat().map(({ length }) => length)).toEqual([7, 1, 0, 3, 7, 1, 0, 3, 7]);
  expect(result.response_tokens).toBe(29);
  const whole = await runStepBench(model, workload, small);
  expect(record.responses[0]?.[0]).toEqual(whole.record.responses[0]?.[0]);
  expect((await runStepBench(model, workload, cut)).record).toEqual(record);
  await expect(runStepBench(model, workload, { ...small, steps: 0 })).rejects.toThrow(
    "steps: expected an integer >= 1",
  );
});

const command: StepCommandOptions = {
  ...{ n: 3, response: 7, mini: 0, steps: 1, dtype: "float32", seed: 5, threads: 1, microTokens: 4096, json: true },
  ...{ activationCheckpoint: "auto", device: "cpu", randomWeights: false, optimizer: "adamw" },
};

async function printed(options: Partial<StepCommandOptions>): Promise<string[]> {
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  onTestFinished(() => {
    log.mockRestore();
  });
  await benchStep(model, await smallWorkload(), { ...command, ...options });
  return log.mock.calls.map(([line]) => String(line));
}

test("the last line is a JSON object with the keys of the PyTorch peer", async () => {
  const record = join(tempFolder(), "record.json");
  const lines = await printed({ json: false, record });
  const timing = JSON.parse(lines.at(-1) ?? "") as Record<string, unknown>;
  const phases = ["rollout_s", "old_s", "ref_s", "aug_s", "update_s"];
  expect(new Set(Object.keys(timing))).toEqual(
    new Set([
      ...[...phases, "total_s", "response_tokens", "peak_rss_gib", "torch", "threads", "dtype", "device"],
      ...["peak_tensors_gib", "recomputed"],
    ]),
  );
  expect(timing).toMatchObject({ response_tokens: 63, threads: 1, dtype: "float32" });
  expect(timing["torch"]).toMatch(/^2\.\d+/u);
  const sum = phases.reduce((total, phase) => total + Number(timing[phase]), 0);
  expect(sum).toBeLessThanOrEqual(Number(timing["total_s"]) + 0.005);
  expect(lines[0]).toMatch(/^rollout +\d+\.\d{3} s +\d+ %$/mu);
  expect(JSON.parse(readFileSync(record, "utf8"))).toHaveProperty("droppedCells");
  expect(await printed({})).toHaveLength(1 + lines.length);
});

test("options that do not fit together are named", async () => {
  await expect(printed({ mini: 4 })).rejects.toThrow("--mini: expected a multiple of --n (3), got 4");
  for (const lengths of ["8", "1,,2", "-1", "1.5", "a", ""])
    await expect(printed({ lengths })).rejects.toThrow(
      `--lengths: expected integers from 0 to --response (7), got ${lengths}`,
    );
  await expect(printed({ threads: 2 ** 20 })).rejects.toThrow("--threads: expected an integer <=");
});
