// What a training checkpoint holds beside the model folder: optimizer.safetensors and trainer.json, enough that a
// resumed run is equal to an uninterrupted one.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KlController, KlControllerState } from "../algorithm/coefficient-schedule.ts";
import type { ExampleStream } from "../data/example-stream.ts";
import type { SamplerState } from "../data/sampler.ts";
import { CheckpointError, ConfigError } from "../errors.ts";
import type { CollapseGuard, GuardState } from "../guard/guard.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { planSave } from "../policy/checkpoint-folder.ts";
import { layoutTensors } from "../policy/safetensors-layout.ts";
import { readHeader } from "../policy/safetensors.ts";
import type { StepMetrics } from "../types.ts";
import type { PolicyOptimizer } from "./policy-optimizer.ts";

const optimizerFile = "optimizer.safetensors";
const trainerFile = "trainer.json";
const version = 1;

/** The best validation so far, of those after a step. */
export interface BestScore {
  readonly step: number;
  readonly score: number;
}

/** trainer.json. */
export interface TrainerState {
  readonly version: number;
  /** Steps taken. */
  readonly step: number;
  readonly optimizerSteps: number;
  readonly sampler: SamplerState;
  readonly klController: KlControllerState;
  readonly skippedInRow: number;
  readonly best: BestScore | null;
  /** Null of a run without a guard; absent from checkpoints older than it. */
  readonly guard?: GuardState | null;
  /** Metrics of the step, where it is not validated and logged yet: a resumed run does that first. */
  readonly unlogged: StepMetrics | null;
}

/** What a checkpoint is made from. */
export interface CheckpointParts {
  readonly optimizer: PolicyOptimizer;
  readonly stream: ExampleStream;
  readonly klController: KlController;
  /** Undefined of a supervised run. */
  readonly guard: CollapseGuard | undefined;
  /** Folders with the tokenizer's and the processor's files. They outlive the checkpoint that a resumed run began with. */
  readonly sideFileDirs: readonly string[];
}

/** The state between two steps, small enough to take after every step. */
export function takeState(
  parts: CheckpointParts,
  done: Pick<TrainerState, "step" | "best" | "unlogged"> = { step: 0, best: null, unlogged: null },
): TrainerState {
  return {
    version,
    step: done.step,
    optimizerSteps: loadNative().optimizerNumSteps(parts.optimizer.handle),
    sampler: parts.stream.state(),
    klController: parts.klController.state(),
    skippedInRow: parts.optimizer.skippedInRow,
    best: done.best,
    guard: parts.guard?.state() ?? null,
    unlogged: done.unlogged,
  };
}

export interface FillOptions {
  readonly dtype: "float32" | "bfloat16";
  /** Leave the optimizer out: such a checkpoint cannot resume. */
  readonly modelOnly: boolean;
}

/** What {@link fillCheckpoint} writes, in bytes, small files left out. */
export function checkpointBytes(
  { optimizer: { policy, handle } }: CheckpointParts,
  { dtype, modelOnly }: FillOptions,
): number {
  const native = loadNative();
  const weights = planSave("", native.policyTensors(policy.handle), dtype).totalBytes;
  return modelOnly ? weights : weights + layoutTensors(native.optimizerTensors(handle)).fileBytes;
}

/** Fills an empty folder with a checkpoint. */
export async function fillCheckpoint(
  dir: string,
  { optimizer: { policy, handle }, sideFileDirs }: CheckpointParts,
  state: TrainerState,
  { dtype, modelOnly }: FillOptions,
): Promise<void> {
  await policy.save(dir, { dtype, sideFileDirs });
  if (modelOnly) return;
  const native = loadNative();
  const { header, entries } = layoutTensors(native.optimizerTensors(handle), { format: "pt" });
  await callNative({}, () => native.writeOptimizer(handle, join(dir, optimizerFile), header, entries));
  await writeFile(join(dir, trainerFile), `${JSON.stringify(state, null, 2)}\n`);
}

/**
 * trainer.json of a checkpoint.
 * @throws {CheckpointError} when the checkpoint holds the model only, or the file is broken
 */
export async function readTrainerState(dir: string): Promise<TrainerState> {
  let text: string;
  try {
    text = await readFile(join(dir, trainerFile), "utf8");
  } catch (error) {
    throw new CheckpointError(dir, `${trainerFile} is missing: a model without its optimizer cannot resume`, {
      cause: error,
    });
  }
  try {
    const state = JSON.parse(text) as TrainerState;
    if (state.version !== version) throw new Error(`expected version ${version}, got ${state.version}`);
    return { ...state, unlogged: state.unlogged && withNaN(state.unlogged) };
  } catch (error) {
    throw new CheckpointError(dir, `${trainerFile}: ${(error as Error).message}`, { cause: error });
  }
}

/** JSON has null for numbers that are not finite. */
function withNaN(metrics: Readonly<Record<string, number | null>>): StepMetrics {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, value ?? Number.NaN]));
}

/**
 * Brings everything but the policy's weights, which are opened from the folder, to the checkpoint's state.
 * @throws {CheckpointError} when the optimizer's file does not fit
 * @throws {ConfigError} when the data set or the seed is another one
 */
export async function restoreState(dir: string, state: TrainerState, parts: CheckpointParts): Promise<void> {
  const native = loadNative();
  const file = join(dir, optimizerFile);
  const { tensors } = await readHeader(file);
  const expected = native.optimizerTensors(parts.optimizer.handle);
  const entries = expected.map(({ name, shape, dtype }) => {
    const entry = tensors.get(name);
    if (entry?.dtype !== dtype || entry.shape.join() !== shape.join()) {
      throw new CheckpointError(dir, `${optimizerFile}: expected ${name} ${dtype} [${shape.join(", ")}]`);
    }
    return entry;
  });
  await callNative({}, () => native.readOptimizer(parts.optimizer.handle, file, entries));
  await callNative({}, () => native.setOptimizerNumSteps(parts.optimizer.handle, state.optimizerSteps));
  restoreSampler(parts.stream, state.sampler);
  parts.klController.restore(state.klController);
  if (state.guard) parts.guard?.restore(state.guard);
  parts.optimizer.skippedInRow = state.skippedInRow;
}

function restoreSampler(stream: ExampleStream, state: SamplerState): void {
  try {
    stream.restore(state);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const rule = "expected the data set and the seed that the run was started with";
    throw new ConfigError("data.train", `${rule}: ${error.message.replace(/^\[.*?\] /u, "")}`);
  }
}
