// What the loop around the steps (run-loop.ts) is given.
import type { StepMetrics } from "../types.ts";
import type { CheckpointParts, TrainerState } from "./checkpoint.ts";
import type { LoggerSet } from "./loggers.ts";
import type { SampledGroup } from "./samples.ts";

export interface TrainedStep {
  readonly metrics: StepMetrics;
  /** Written under samples/ when there are any. */
  readonly samples: readonly SampledGroup[];
  /** The values behind some means, by name, one a response. */
  readonly distributions?: Readonly<Record<string, readonly number[]>>;
}

/** What takes the steps. */
export interface Stepper {
  step(step: number, signal?: AbortSignal): Promise<TrainedStep>;
  /** The policy has taken an optimizer step, or may have, since the last whole training step. */
  readonly isMidUpdate: boolean;
}

export interface Validation {
  /** Higher is better. */
  readonly score: number;
  readonly metrics: StepMetrics;
  /** Some groups, the same ones every time; written under samples/ when there are any. */
  readonly samples: readonly SampledGroup[];
}

export interface LoopParts {
  readonly stepper: Stepper;
  readonly checkpoint: CheckpointParts;
  /** After the last whole step; of the checkpoint that the run goes on from. */
  readonly state: TrainerState;
  readonly validate: ((step: number) => Promise<Validation>) | undefined;
  readonly loggers: LoggerSet;
  readonly totalSteps: number;
}
