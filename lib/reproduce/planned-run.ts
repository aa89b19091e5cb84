// A run of a study with what its folder holds of it: nothing, a part, a result, or one of other settings.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunConfig } from "../config/schema.ts";
import { DataError, ResultsError } from "../errors.ts";
import { readMetrics } from "../trainer/metrics-file.ts";
import { type RunPaths, runPaths } from "./run-paths.ts";
import { type EvaluationSettingsRecord, type Settings, changesOf, evaluationDefaults, evaluationSettings, settingsHash, trainingDefaults, trainingSettings } from "./run-settings.ts"; // prettier-ignore
import type { ChosenRun } from "./selection.ts";
import { type KeptMetrics, type StoredRun, readStoredRun } from "./stored-run.ts";
import type { EvaluationPlan, Study } from "./study.ts";

/** A run as it is to be. */
export interface PlannedRun extends ChosenRun {
  readonly paths: RunPaths;
  readonly config: RunConfig;
  readonly steps: number;
  readonly settings: Settings;
  readonly configurationHash: string;
  readonly evaluation: EvaluationPlan;
  readonly evaluationSettings: EvaluationSettingsRecord;
}

export type RunState =
  | { readonly kind: "new" }
  /** Under way; a run whose result is not whole has not taken its last step. */
  | { readonly kind: "started"; readonly step: number; readonly metrics: readonly KeptMetrics[] }
  | { readonly kind: "done"; readonly stored: StoredRun }
  /** What is there cannot be gone on with: of other settings, or damaged. */
  | { readonly kind: "unusable"; readonly error: Error };

/** @throws {ConfigError} when the recipe cannot be what the run asks for */
export async function planRuns(study: Study, runs: readonly ChosenRun[], out: string): Promise<PlannedRun[]> {
  const planned: PlannedRun[] = [];
  for (const chosen of runs) {
    const { run, seed } = chosen;
    const paths = runPaths(out, run, seed);
    const config = study.configOf(run, seed, paths.work);
    const settings = trainingSettings(config, await study.sourcesOf(run, config));
    const evaluation = study.evaluationOf(config);
    planned.push({
      ...{ ...chosen, paths, config, settings, evaluation },
      steps: study.stepsOf(run),
      configurationHash: settingsHash(settings),
      evaluationSettings: evaluationSettings(evaluation),
    });
  }
  return planned;
}

/** Settings of the run that work/ belongs to. */
export const workSettingsFile = ({ work }: RunPaths) => join(work, "settings.json");
export const metricsFileOf = ({ work }: RunPaths) => join(work, "run", "metrics.jsonl");

/** What there is of a run; reads only. */
export async function stateOf(planned: PlannedRun): Promise<RunState> {
  try {
    if (existsSync(planned.paths.result)) return { kind: "done", stored: await storedRunOf(planned) };
    if (!existsSync(workSettingsFile(planned.paths))) return { kind: "new" };
    await checkWork(planned);
    return await startedState(planned);
  } catch (error) {
    if (error instanceof DataError || error instanceof ResultsError) return { kind: "unusable", error };
    throw error;
  }
}

async function storedRunOf(planned: PlannedRun): Promise<StoredRun> {
  const { paths, run, seed } = planned;
  const stored = await readStoredRun(paths.result);
  const { method, size, seed: storedSeed } = stored.run;
  if (method !== run.method || size !== run.size || storedSeed !== seed)
    throw new ResultsError("duplicate", `${paths.result} holds the result of ${method} ${size}, seed ${storedSeed}`);
  checkSettings(planned, "trained", stored.run.settings);
  checkSettings(planned, "evaluated", stored.evaluation.settings);
  return stored;
}

/** @throws {ResultsError} `settings` when work/ is that of a run of other settings; {DataError} when it is damaged */
export async function checkWork(planned: PlannedRun): Promise<void> {
  const file = workSettingsFile(planned.paths);
  try {
    checkSettings(planned, "trained", JSON.parse(await readFile(file, "utf8")) as Settings);
  } catch (error) {
    if (error instanceof SyntaxError) throw new DataError(file, undefined, `expected JSON: ${error.message}`);
    throw error;
  }
}

function checkSettings(planned: PlannedRun, what: "trained" | "evaluated", recorded: Settings): void {
  const { paths, configurationHash } = planned;
  const isTraining = what === "trained";
  const wanted = isTraining ? planned.settings : planned.evaluationSettings;
  const changes = changesOf(recorded, wanted, isTraining ? trainingDefaults() : evaluationDefaults);
  if (changes.length === 0) return;
  const hash = isTraining ? configurationHash : settingsHash(wanted);
  throw new ResultsError("settings", `${paths.name} was ${what} with other settings (${settingsHash(recorded)}) than those asked for (${hash}): ${changes.join("; ")}`); // prettier-ignore
}

async function startedState({ paths, steps }: PlannedRun): Promise<RunState> {
  const file = metricsFileOf(paths);
  const metrics: KeptMetrics[] = [];
  if (existsSync(file)) for await (const line of readMetrics(file)) metrics.push(line.metrics);
  const step = metrics.at(-1)?.["step"] ?? 0;
  return { kind: "started", step: Math.min(step, steps - 1), metrics };
}
