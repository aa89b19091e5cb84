// What `papo runs` and `papo watch` say about a run, from its folder alone.
import { join } from "node:path";
import { readMetrics } from "../trainer/metrics-file.ts";
import { metricsFile } from "../trainer/run-folder.ts";
import { runHolder } from "../trainer/run-lock.ts";
import { readRunRecord } from "../trainer/run-record.ts";
import { readRunStatus, type RunStatus } from "../trainer/run-status.ts";
import { diskUse } from "./disk-use.ts";

export interface RunDescription {
  readonly dir: string;
  readonly command: "train" | "sft";
  readonly state: RunStatus["state"];
  /** Last step logged; 0 before the first one. */
  readonly step: number;
  /** null where the run never came to its first step. */
  readonly totalSteps: number | null;
  /** Best validation after a step; for `sft` minus the loss. */
  readonly best: { readonly step: number; readonly score: number } | null;
  readonly bytes: number;
  /** What ended a run that did not finish. */
  readonly message: string | null;
}

/** A run that is held by a living process is running, whatever was written; one that is not held is not. */
export async function runState(dir: string, status: RunStatus | undefined): Promise<RunStatus["state"]> {
  if (await runHolder(dir)) return "running";
  if (status === undefined) return "failed";
  return status.state === "running" ? "interrupted" : status.state;
}

/** @throws {ConfigError} when the folder holds no run */
export async function describeRun(dir: string): Promise<RunDescription> {
  const { command } = await readRunRecord(dir);
  const status = await readRunStatus(dir);
  const { step, best } = await progressOf(join(dir, metricsFile));
  const state = await runState(dir, status);
  return {
    ...{ dir, command, state, step, totalSteps: status?.totalSteps ?? null, best },
    bytes: await diskUse(dir),
    message: state === "running" ? null : (status?.message ?? null),
  };
}

/** The validation's number by which checkpoints are compared, higher is better. */
export function validationScore(metrics: Readonly<Record<string, number | null>>): number | undefined {
  const score = metrics["val/reward_score"];
  const loss = metrics["val/sft_loss"];
  return score ?? (typeof loss === "number" ? -loss : undefined);
}

async function progressOf(file: string): Promise<Pick<RunDescription, "step" | "best">> {
  let last = 0;
  let best: RunDescription["best"] = null;
  try {
    for await (const { step, metrics } of readMetrics(file)) {
      last = Math.max(last, step);
      const score = validationScore(metrics);
      // Step 0 has no checkpoint that could be the best one.
      if (score !== undefined && step > 0 && (best === null || score > best.score)) best = { step, score };
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return { step: last, best };
}
