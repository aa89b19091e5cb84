import { CollapseError } from "../errors.ts";

/** How a run can end: `stopped` by the collapse guard, `interrupted` by a signal. */
export const runOutcomes = ["finished", "stopped", "interrupted", "failed"] as const;
export type RunOutcome = (typeof runOutcomes)[number];

/** @param error what ended the run */
export function outcomeOf(error: unknown, signal: AbortSignal | undefined): RunOutcome {
  if (error instanceof CollapseError) return "stopped";
  return signal?.aborted === true ? "interrupted" : "failed";
}
