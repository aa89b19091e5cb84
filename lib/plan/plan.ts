// A run on GPUs before it is there: memory, step time, GPU-hours. Nothing is measured; every number follows from sizes
// and from the constants of calibration.ts.
import type { RunConfig } from "../config/schema.ts";
import { calibrationReport } from "./calibration-report.ts";
import type { Comparison } from "./calibration-report.ts";
import { calibration } from "./calibration.ts";
import type { Calibration } from "./calibration.ts";
import { changesThatFit, fasterSettings } from "./changes.ts";
import type { GpuSet } from "./gpus.ts";
import { memoryPlan } from "./memory.ts";
import type { MemoryPlan } from "./memory.ts";
import { modelSizesOf } from "./model-sizes.ts";
import { publishedStep } from "./published.ts";
import type { PublishedStep } from "./published.ts";
import { numSteps } from "./run-size.ts";
import { papoStep } from "./step-time.ts";
import type { StepPrediction } from "./step-time.ts";
import { groupOf, lengthsOf } from "./workload.ts";
import type { Lengths } from "./workload.ts";

export interface PlanOptions extends Partial<Lengths> {
  readonly gpus: GpuSet;
  readonly steps?: number;
  /** Rows of the training set. */
  readonly examples?: number;
}

/** Hours of a whole run, without validation and checkpoints. */
export interface RunHours {
  readonly steps: number;
  readonly source: string;
  readonly hours: number;
  readonly gpuHours: number;
}

export interface Plan {
  readonly run: RunConfig;
  readonly gpus: GpuSet;
  readonly lengths: Lengths;
  readonly memory: MemoryPlan;
  readonly fits: boolean;
  /** Settings, or GPUs, each of which alone makes the run fit; empty when it fits. */
  readonly changes: readonly string[];
  /** Settings that fit and save time, with the seconds a step. */
  readonly faster: readonly string[];
  readonly step: StepPrediction;
  /** The published system's step on the same GPUs. */
  readonly published: PublishedStep;
  readonly hours: RunHours | undefined;
  readonly calibration: Calibration;
  readonly comparisons: readonly Comparison[];
}

/**
 * Plans a run.
 * @throws {ConfigError | CheckpointError} for a model of unknown sizes, or lengths beyond the run's limits
 */
export async function planRun(run: RunConfig, options: PlanOptions): Promise<Plan> {
  const { gpus } = options;
  const model = await modelSizesOf(run.model.path);
  const lengths = lengthsOf(run, options);
  const group = groupOf(model, lengths, run.rollout.n);
  const memory = memoryPlan({ model, run, gpus, group });
  const work = { model, run, gpus, lengths, calibration };
  const fits = memory.shortBytes === 0;
  // Where it does not fit, the time is what it would be if it did.
  const room = fits ? memory : { ...memory, concurrentResponses: run.rollout.maxConcurrentResponses };
  const step = papoStep(work, room);
  const size = numSteps(run, options);
  const hours = size && (size.steps * step.seconds.total) / 3600;
  return {
    ...{ run, gpus, lengths, memory, fits, step, calibration },
    changes: fits ? [] : changesThatFit({ model, run, gpus, group }),
    faster: fits ? fasterSettings(work, { model, run, gpus, group }) : [],
    published: publishedStep(work),
    hours: size && hours !== undefined ? { ...size, hours, gpuHours: hours * gpus.count } : undefined,
    comparisons: calibrationReport(calibration),
  };
}
