// Results of runs that nobody trained, written as papo reproduce writes them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type PlannedRun, planRuns, workSettingsFile } from "../../lib/reproduce/planned-run.ts";
import { settingsHash } from "../../lib/reproduce/run-settings.ts";
import { select } from "../../lib/reproduce/selection.ts";
import { type RunOutcome, storeRun } from "../../lib/reproduce/stored-run.ts";
import type { Study } from "../../lib/reproduce/study.ts";
import { tinyStudy } from "./tiny-study.ts";

/** The runs of a table of the tiny study. */
export async function planned(out: string, table: string, options: { seeds?: number; study?: Study } = {}) {
  const { seeds = 1, study = tinyStudy() } = options;
  return await planRuns(study, select({ names: [table], scale: "mini", seeds }).runs, out);
}

/** @param accuracy in [0, 1], of general and of vision-dependent */
export async function storeMadeUp(
  run: PlannedRun,
  accuracy: readonly [number, number],
  rowsFingerprint = "rows",
): Promise<void> {
  const metricsFile = join(run.paths.dir, "metrics-of-run.jsonl");
  mkdirSync(run.paths.dir, { recursive: true });
  const lines = [1, 2, 3].map(
    (step) => `${JSON.stringify({ step, "reward/accuracy": step / 10, "timing_s/step": 2 })}\n`,
  );
  writeFileSync(metricsFile, lines.join(""));
  await storeRun(run.paths.result, { ...outcomeOf(run, accuracy, rowsFingerprint), metricsFile, verdicts: [] });
}

function outcomeOf(
  { run, seed, settings, configurationHash, steps, evaluation, evaluationSettings }: PlannedRun,
  accuracy: readonly [number, number],
  rowsFingerprint: string,
): Pick<RunOutcome, "run" | "evaluation"> {
  const { method, size, recipe, overrides } = run;
  return {
    run: {
      ...{ method, size, seed, recipe, overrides: [...overrides], configurationHash, settings, step: steps, steps },
      ...{ seconds: { training: 6, evaluation: 3 }, build: {}, revision: null, machine: { cpu: "none", threads: 1 } },
    },
    evaluation: {
      seed,
      settingsHash: settingsHash(evaluationSettings),
      settings: evaluationSettings,
      benchmarks: evaluation.benchmarks.map(({ id, name, group }, index) => ({
        ...{ id, name, group, rowsExpected: 9, rowsSeen: 9, rows: 9, complete: true, n: 2 },
        ...{ avgAtN: accuracy[index] ?? 0, interval: null, rowsFingerprint },
      })),
      classes: { "mini-general": { correct: 10, perception: 5, format: 3 } },
    },
  };
}

/** A run whose first step is done. */
export function beginMadeUp({ paths, settings }: PlannedRun): void {
  mkdirSync(join(paths.work, "run"), { recursive: true });
  writeFileSync(workSettingsFile(paths), JSON.stringify(settings));
  writeFileSync(join(paths.work, "run", "metrics.jsonl"), `${JSON.stringify({ step: 1, "reward/accuracy": 0.5 })}\n`);
}
