// status.json of a run folder: how far the run got and how it ended, for whoever looks at it from outside.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "./durable-file.ts";
import { type RunOutcome, runOutcomes } from "./run-outcome.ts";

export interface RunStatus {
  /** `running` stays where a process was killed hard; whether one lives is in the lock. */
  readonly state: "running" | RunOutcome;
  /** Last whole step when it was written. */
  readonly step: number;
  readonly totalSteps: number;
  /** What ended a run that did not finish. */
  readonly message?: string;
  /** ISO 8601. */
  readonly at: string;
}

export const statusFile = "status.json";
const states: readonly unknown[] = ["running", ...runOutcomes] satisfies RunStatus["state"][];

export async function writeRunStatus(dir: string, status: Omit<RunStatus, "at">): Promise<void> {
  const written: RunStatus = { ...status, at: new Date().toISOString() };
  await writeFileAtomic(join(dir, statusFile), `${JSON.stringify(written, null, 2)}\n`);
}

/** undefined for a run that never came to its first step, and for a broken file. */
export async function readRunStatus(dir: string): Promise<RunStatus | undefined> {
  try {
    const value = JSON.parse(await readFile(join(dir, statusFile), "utf8")) as RunStatus | null;
    const isWhole = value !== null && states.includes(value.state) && Number.isSafeInteger(value.totalSteps);
    return isWhole ? value : undefined;
  } catch {
    return undefined;
  }
}
