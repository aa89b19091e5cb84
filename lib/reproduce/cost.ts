// What is left to do: minutes in the miniature, from runs that are finished; GPU-hours at the paper's scale, predicted.
import type { GpuSet } from "../plan/gpus.ts";
import { parseGpus } from "../plan/gpus.ts";
import { planRun } from "../plan/plan.ts";
import type { KnownRun } from "./collect-results.ts";
import type { PlannedRun } from "./planned-run.ts";

/** Of a training step and its share of the evaluation where nothing has been timed: one core of a laptop. */
const assumedSecondsPerStep = 3;

export interface MinutesLeft {
  readonly minutes: number;
  /** Finished runs that it is estimated from; 0: from nothing but the assumption. */
  readonly numTimed: number;
}

/** One run after another. A method that has not finished a run is taken to need the mean of those that have. */
export function minutesLeft(runs: readonly KnownRun[]): MinutesLeft {
  const timed = runs.flatMap(({ planned, state }) => {
    if (state.kind !== "done") return [];
    const { training, evaluation } = state.stored.run.seconds;
    return [{ method: planned.run.method, secondsPerStep: (training + (evaluation ?? 0)) / planned.steps }];
  });
  const left = runs.map(({ planned, state }) => {
    const steps = stepsLeft({ planned, state });
    const same = timed.filter(({ method }) => method === planned.run.method);
    return steps * meanOr(assumedSecondsPerStep, same.length > 0 ? same : timed);
  });
  return { minutes: left.reduce((sum, seconds) => sum + seconds, 0) / 60, numTimed: timed.length };
}

function meanOr(fallback: number, timed: readonly { readonly secondsPerStep: number }[]): number {
  if (timed.length === 0) return fallback;
  return timed.reduce((sum, { secondsPerStep }) => sum + secondsPerStep, 0) / timed.length;
}

/** What cannot be used has to be done again. */
function stepsLeft({ planned, state }: KnownRun): number {
  if (state.kind === "done") return 0;
  return planned.steps - (state.kind === "started" ? state.step : 0);
}

/** As published. */
const publishedGpus: Readonly<Record<string, string>> = { "3B": "2xh100", "7B": "4xh100" };

export const gpusFor = (size: string, gpus: GpuSet | undefined): GpuSet =>
  gpus ?? parseGpus(publishedGpus[size] ?? "2xh100");

/** GPU-hours of a run by method and size, without validation, checkpoints and evaluation. */
export async function gpuHoursOf({ config, run, steps }: PlannedRun, gpus: GpuSet | undefined): Promise<number> {
  const { step } = await planRun(config, { gpus: gpusFor(run.size, gpus), steps });
  return (step.seconds.total * steps * gpusFor(run.size, gpus).count) / 3600;
}

/** Of all that is left. */
export async function gpuHoursLeft(runs: readonly KnownRun[], gpus: GpuSet | undefined): Promise<number> {
  let sum = 0;
  for (const known of runs) {
    const steps = stepsLeft(known);
    if (steps > 0) sum += ((await gpuHoursOf(known.planned, gpus)) * steps) / known.planned.steps;
  }
  return sum;
}
