// How long a run is: training steps, from settings or from the number of its rows.
import type { RunConfig } from "../config/schema.ts";
import { totalSteps } from "../trainer/schedule.ts";

/** Rows of the data sets of the shipped recipes. Source: the data sets' cards on the hub. */
const knownRows: Readonly<Record<string, number>> = { "PAPOGalaxy/PAPO_ViRL39K_train": 38_870 };

/** Greedy responses a prompt that are sampled beside rollout.n, as the baseline of ReMax. */
export function advantageSamples({ algorithm }: RunConfig): number {
  return algorithm.advantage === "remax" ? 1 : 0;
}

/** Training steps, and where the number comes from; undefined when nothing says how many. */
export function numSteps(
  run: RunConfig,
  given: { readonly steps?: number; readonly examples?: number },
): { readonly steps: number; readonly source: string } | undefined {
  if (given.steps !== undefined) return { steps: given.steps, source: "--steps" };
  if (given.examples === undefined && run.trainer.maxSteps !== null)
    return { steps: run.trainer.maxSteps, source: "trainer.maxSteps" };
  const set = run.data.train ?? "";
  const rows = given.examples ?? (Object.hasOwn(knownRows, set) ? knownRows[set] : undefined);
  if (rows === undefined) return undefined;
  const { totalEpochs } = run.trainer;
  const source = `${rows} rows, ${totalEpochs} ${totalEpochs === 1 ? "epoch" : "epochs"}`;
  return { steps: totalSteps({ ...run, trainer: { ...run.trainer, maxSteps: null } }, rows), source };
}
