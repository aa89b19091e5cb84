/** How a run can end: `stopped` by the collapse guard, `interrupted` by a signal. */
export const runOutcomes = ["finished", "stopped", "interrupted", "failed"] as const;
export type RunOutcome = (typeof runOutcomes)[number];
