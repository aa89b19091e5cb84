// Seconds a training step, of runs and of the paper.
import { ResultsError } from "../errors.ts";
import { paperTable14 } from "./paper/table14.ts";
import { type RunResult, isUnfinished } from "./results.ts";
import type { RowRun } from "./runs.ts";
import { mean } from "./statistics.ts";

export interface StepTimes {
  readonly label: string;
  readonly size: string;
  readonly source: "ours" | "paper";
  /** Runs, one a seed; 0 for a run without results. */
  readonly numSeeds: number;
  /** Seconds, one value a seed; empty as long as a run is not complete. */
  readonly step: readonly number[];
  /** Of it the forward pass over masked pictures; empty for a method without. */
  readonly augForward: readonly number[];
}

/** Fewest steps that make a mean worth showing. */
const minSteps = 10;

export const paperTimes = paperTable14.rows.map(({ label, size, step, augForward }): StepTimes => {
  const masked = augForward === undefined ? [] : [augForward];
  return { label, size, source: "paper", numSeeds: 1, step: [step], augForward: masked };
});

/** @throws {ResultsError} `rows` for a complete run of fewer than ten timed steps */
export function stepTimes({ label, method, size }: RowRun, results: readonly RunResult[]): StepTimes {
  const seeds = results.filter(({ run }) => run.method === method && run.size === size);
  const complete = seeds.some(({ run }) => isUnfinished(run)) ? [] : seeds;
  const masked = complete.filter(({ curves }) => (curves["timing_s/aug_probs"]?.values.length ?? 0) > 0);
  return {
    ...{ label, size, source: "ours", numSeeds: seeds.length },
    step: complete.map((seed) => meanSeconds(seed, "timing_s/step")),
    augForward: masked.map((seed) => meanSeconds(seed, "timing_s/aug_probs")),
  };
}

function meanSeconds({ run, curves }: RunResult, metric: string): number {
  const values = (curves[metric]?.values ?? []).filter((value) => value !== null);
  if (values.length < minSteps)
    throw new ResultsError("rows", `${run.id}: ${metric}: expected ${minSteps} or more steps, got ${values.length}`);
  return mean(values);
}
