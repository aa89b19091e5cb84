// The loop around steps that do nothing, with a real policy, optimizer and run folder: what is validated, logged, saved.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { KlController } from "../../lib/algorithm/coefficient-schedule.ts";
import { runConfigOf } from "../../lib/config/load.ts";
import type { ExampleStream } from "../../lib/data/example-stream.ts";
import { CollapseGuard } from "../../lib/guard/guard.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { CheckpointStore } from "../../lib/trainer/checkpoint-store.ts";
import { readTrainerState, takeState } from "../../lib/trainer/checkpoint.ts";
import { createLoggers } from "../../lib/trainer/loggers.ts";
import type { LoopParts } from "../../lib/trainer/loop-parts.ts";
import { PolicyOptimizer } from "../../lib/trainer/policy-optimizer.ts";
import { RunFolder } from "../../lib/trainer/run-folder.ts";
import { readRunStatus } from "../../lib/trainer/run-status.ts";
import { RunLoop } from "../../lib/trainer/run-loop.ts";
import type { SampledGroup } from "../../lib/trainer/samples.ts";
import { StepTable } from "../../lib/trainer/step-table.ts";
import type { StepMetrics } from "../../lib/types.ts";
import { tempFolder } from "../support/temp.ts";

const fixture = join(packageRoot, "lib", "policy", "fixture");

interface World {
  readonly dir: string;
  readonly trainer?: Record<string, unknown>;
  /** Scores of the validations in order. */
  readonly scores?: readonly number[];
  readonly onStep?: (step: number, stepper: LoopParts["stepper"] & { isMidUpdate: boolean }) => void;
  readonly onValidate?: (step: number) => void;
  readonly resume?: boolean;
  readonly steps?: number;
  /** What the steps report beside the rate. */
  readonly metricsAt?: (step: number) => StepMetrics;
  /** Settings of the collapse guard; none without. */
  readonly guard?: Record<string, unknown>;
}

function sampleOf(overall: number): SampledGroup {
  const response = { text: "\\boxed{7}", finishReason: "stop", numTokens: 3, reward: { overall } } as const;
  return { id: "a:1", promptText: "<image>?", answer: "7", numImages: 1, pictures: [], responses: [response] };
}

/** Runs three steps, or as the settings have it; gives what it said and the steps that were validated. */
async function run(world: World) {
  const { dir, trainer = {}, scores = [], onStep, resume = false, steps = 3 } = world;
  const config = runConfigOf({
    ...(world.guard ? { guard: world.guard } : {}),
    model: { path: fixture },
    data: { val: "val.jsonl", rolloutBatchSize: 1 },
    optim: { globalBatchSize: 1 },
    rollout: { n: 2 },
    trainer: { outDir: dir, valBeforeTrain: false, loggers: ["jsonl"], ...trainer },
  });
  await using folder = await RunFolder.open({
    dir,
    record: { command: "train", config, git: undefined, build: {} },
    resume,
  });
  const policy = await Policy.open(fixture, { trained: true });
  const optimizer = await PolicyOptimizer.create(config.optim, policy);
  onTestFinished(() => {
    optimizer[Symbol.dispose]();
    policy[Symbol.dispose]();
  });
  const stream = { state: () => ({ length: 7, seed: 1, epoch: 0, position: 0 }) } as unknown as ExampleStream;
  const klController = new KlController(config.algorithm.klRef);
  const guard = world.guard && new CollapseGuard(config.guard);
  const checkpoint = { optimizer, stream, klController, guard, sideFileDirs: [fixture] };
  const validated: number[] = [];
  const stepper = {
    isMidUpdate: false,
    step: (step: number) => {
      onStep?.(step, stepper);
      return Promise.resolve({ metrics: { "actor/lr": step, ...world.metricsAt?.(step) }, samples: [] });
    },
  };
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const table = new StepTable({ write: () => true }, 3, {});
  await using loggers = await createLoggers(config, folder, table, say);
  const state = folder.resumeFrom ? await readTrainerState(folder.resumeFrom.dir) : takeState(checkpoint);
  if (state.guard) guard?.restore(state.guard);
  const parts: LoopParts = {
    stepper,
    checkpoint,
    state,
    validate: (step) => {
      world.onValidate?.(step);
      validated.push(step);
      const score = scores[validated.length - 1] ?? 0;
      return Promise.resolve({ score, metrics: { "val/reward_score": score }, samples: [sampleOf(score)] });
    },
    loggers,
    totalSteps: steps,
  };
  const ended = await new RunLoop(config, folder, parts, say).run(undefined).catch((error: unknown) => error as Error);
  return { ended, said, validated };
}

const saved = (dir: string) => readdirSync(join(dir, "checkpoints")).toSorted();

test("a validation before the first step is never the best checkpoint, which has to exist", async () => {
  const dir = join(tempFolder(), "run");
  const trainer = { valBeforeTrain: true, valFreq: 1, saveLimit: 1 };
  const { ended, validated } = await run({ dir, trainer, scores: [0.9, 0.3, 0.7, 0.5] });
  expect(validated).toEqual([0, 1, 2, 3]);
  expect(ended).toMatchObject({ numSteps: 3, best: { step: 2, score: 0.7 } });
  expect(saved(dir)).toEqual(["step-000002", "step-000003"]);
});

test("responses of a validation are written as samples and as TensorBoard text", async () => {
  const dir = join(tempFolder(), "run");
  await run({ dir, trainer: { valFreq: 2, loggers: ["tensorboard"] }, scores: [0.3, 0.7] });
  expect(readdirSync(join(dir, "samples")).toSorted()).toEqual(["val-step-000002.jsonl", "val-step-000003.jsonl"]);
  expect(JSON.parse(readFileSync(join(dir, "samples", "val-step-000003.jsonl"), "utf8"))).toEqual({
    step: 3,
    ...{ id: "a:1", promptText: "<image>?", answer: "7", numImages: 1, pictures: [], response: 0 },
    ...{ text: "\\boxed{7}", finishReason: "stop", numTokens: 3, "reward/overall": 0.7 },
  });
  const [events = ""] = readdirSync(join(dir, "tensorboard"));
  const text = readFileSync(join(dir, "tensorboard", events), "latin1");
  expect(text).toContain("val/generations");
  expect(text).toContain('response: \\boxed{7}\n\nreward: {"overall":0.7}');
});

test("valOnly validates the opened weights whatever valBeforeTrain says, those of a checkpoint too", async () => {
  const dir = join(tempFolder(), "run");
  expect(await run({ dir, trainer: { valOnly: true } })).toMatchObject({ validated: [0] });
  const other = join(tempFolder(), "run");
  await run({ dir: other });
  const again = await run({ dir: other, trainer: { valOnly: true }, resume: true });
  expect(again).toMatchObject({ ended: { numSteps: 3 }, validated: [3] });
});

function failAtStep3(mid = false): NonNullable<World["onStep"]> {
  return (step, stepper) => {
    if (step < 3) return;
    stepper.isMidUpdate = mid;
    throw new Error("enough");
  };
}

test("whole steps are saved when the next one fails before its weights move; else it says what is lost", async () => {
  const dir = join(tempFolder(), "run");
  expect((await run({ dir, onStep: failAtStep3() })).said).toEqual(["saved step 2; go on with --resume"]);
  expect(saved(dir)).toEqual(["step-000002"]);
  const where = "stopped inside the update of step 3:";
  const often = "(trainer.saveFreq sets how often)";
  const unsaved = await run({ dir: join(tempFolder(), "run"), onStep: failAtStep3(true) });
  expect(unsaved.said).toEqual([`${where} steps 1 to 2 are lost; there is no checkpoint ${often}`]);
  const best = { valFreq: 1, saveFreq: -1 };
  const half = await run({ dir: join(tempFolder(), "run"), trainer: best, scores: [1, 0], onStep: failAtStep3(true) });
  expect(half.said).toEqual([`${where} step 2 is lost; the newest checkpoint is of step 1 ${often}`]);
});

test("a checkpoint without its optimizer is not one to go on from, and its step is logged", async () => {
  const dir = join(tempFolder(), "run");
  const trainer = { saveModelOnly: true };
  const { said } = await run({ dir, trainer, onStep: failAtStep3() });
  expect(said).toEqual(["saved step 2"]);
  expect(readFileSync(join(dir, "metrics.jsonl"), "utf8").trim().split("\n")).toHaveLength(2);
});

test("a run that fails in the validation of the step that the guard stops is stopped by it when it goes on", async () => {
  const dir = join(tempFolder(), "run");
  const guard = { action: "stop", warmupSteps: 0, window: 1, reference: 2, lag: 1, patience: 1 };
  const metricsAt = (step: number) =>
    step < 4
      ? { "actor/kl_prcp_loss": -0.1, "reward/accuracy": 0.5 }
      : { "actor/kl_prcp_loss": -0.9, "reward/accuracy": 0.1 };
  const world = { dir, guard, metricsAt, steps: 7, trainer: { valFreq: 2 } };
  const onValidate = (step: number) => {
    if (step === 4) throw new Error("enough");
  };
  expect((await run({ ...world, onValidate })).ended).toMatchObject({ message: "enough" });
  const { ended, said } = await run({ ...world, resume: true });
  expect(ended).toMatchObject({ name: "CollapseError", step: 4, signals: ["kl_prcp", "accuracy"] });
  expect(said).toEqual([]);
  expect(await readRunStatus(dir)).toMatchObject({ state: "stopped", step: 4, totalSteps: 7, message: (ended as Error).message }); // prettier-ignore
  expect(saved(dir)).toEqual(["step-000002", "step-000004"]);
  const lines = (name: string) => readFileSync(join(dir, name), "utf8").trim().split("\n");
  expect(lines("metrics.jsonl")).toHaveLength(4);
  expect(lines("alarms.jsonl")).toHaveLength(3);
});

test("a checkpoint knows how much it will take, and one that failed is not tried again", async () => {
  const dir = join(tempFolder(), "run");
  const write = vi.spyOn(CheckpointStore.prototype, "write");
  onTestFinished(() => {
    write.mockRestore();
  });
  await run({ dir });
  const files = ["model.safetensors", "optimizer.safetensors"];
  const numBytes = files.map((file) => statSync(join(dir, "checkpoints", "step-000003", file)).size);
  const expected = write.mock.calls[0]?.[2]?.expectedBytes ?? 0;
  const written = numBytes.reduce((sum, size) => sum + size, 0);
  expect(expected).toBeGreaterThan(0.9 * written);
  expect(expected).toBeLessThanOrEqual(written);
  write.mockClear();
  write.mockRejectedValue(new Error("disk full"));
  const { ended, said } = await run({ dir: join(tempFolder(), "run"), trainer: { saveFreq: 2 } });
  expect(ended).toMatchObject({ message: "disk full" });
  expect(write).toHaveBeenCalledTimes(1);
  expect(said).toEqual([]);
});
