// States of runs to the results that tables are made of.
import { ResultsError } from "../errors.ts";
import { curvesOf } from "../tables/curves.ts";
import type { TableDefinition } from "../tables/definition.ts";
import type { AttentionResult, BenchmarkScore, ErrorClassResult, EvaluationResult, Results, RunRef, RunResult } from "../tables/results.ts"; // prettier-ignore
import type { PlannedRun, RunState } from "./planned-run.ts";
import { settingsHash } from "./run-settings.ts";
import type { StoredAttention } from "./stored-attention.ts";
import type { KeptMetrics, StoredEvaluation } from "./stored-run.ts";

export interface KnownRun {
  readonly planned: PlannedRun;
  readonly state: RunState;
}

/**
 * What a table takes, of its own runs and seeds.
 * @param runs in any number; those without anything have no results
 * @throws {ResultsError} `settings` when two runs were asked other rows; the error of what cannot be used
 */
export function resultsFor({ metrics }: TableDefinition, runs: readonly KnownRun[]): Results {
  const there = runs.flatMap(({ planned, state }) => thereOf(planned, state));
  checkRows(there);
  return {
    evaluations: there.map(evaluationOf),
    runs: there.map(({ ref, metrics: lines }): RunResult => ({ run: ref, curves: curvesOf(lines, metrics) })),
    errorClasses: there.flatMap(errorClassesOf),
    attention: there.flatMap(attentionOf),
  };
}

/** A run that has begun, or is done. */
interface There {
  readonly planned: PlannedRun;
  readonly ref: RunRef;
  readonly metrics: readonly KeptMetrics[];
  readonly evaluation?: StoredEvaluation;
  readonly attention?: StoredAttention | undefined;
}

function thereOf(planned: PlannedRun, state: RunState): There[] {
  const { run, seed, paths, configurationHash, steps } = planned;
  const ref = { id: paths.name, method: run.method, size: run.size, seed, settings: configurationHash };
  switch (state.kind) {
    case "new":
      return [];
    case "unusable":
      throw state.error;
    case "started":
      return [{ planned, ref: { ...ref, step: state.step, steps }, metrics: state.metrics }];
    case "done": {
      const { run: stored, evaluation, metrics, attention } = state.stored;
      return [{ planned, ref: { ...ref, step: stored.step, steps: stored.steps }, metrics, evaluation, attention }];
    }
  }
}

function checkRows(runs: readonly There[]): void {
  const firstOf = new Map<string, { id: string; rows: string }>();
  for (const { ref, evaluation } of runs) {
    for (const { id, complete, rowsFingerprint: rows } of evaluation?.benchmarks ?? []) {
      const first = firstOf.get(id) ?? { id: ref.id, rows };
      if (complete) firstOf.set(id, first);
      if (complete && first.rows !== rows)
        throw new ResultsError("settings", `${first.id} and ${ref.id} were asked other rows of ${id} (${first.rows}, ${rows})`); // prettier-ignore
    }
  }
}

function evaluationOf({ planned, ref, evaluation }: There): EvaluationResult {
  const benchmarks = evaluation ? evaluation.benchmarks.map(scoreOf) : unknownScores(planned);
  return { run: ref, suite: "main", settings: settingsHash(planned.evaluationSettings), benchmarks };
}

function scoreOf(summary: StoredEvaluation["benchmarks"][number]): BenchmarkScore {
  const { name, group, rowsExpected, rowsSeen, rows, n, avgAtN, interval, complete } = summary;
  return {
    ...{ name, group, rows: rowsExpected ?? rowsSeen, numEvaluated: rows, n, complete },
    accuracy: complete ? 100 * avgAtN : null,
    ...(interval && { interval: { low: 100 * interval.low, high: 100 * interval.high } }),
  };
}

function unknownScores({ evaluation: { benchmarks, settings } }: PlannedRun): BenchmarkScore[] {
  return benchmarks.map(({ name, group, rows = 1 }) => {
    return { name, group, rows, numEvaluated: 0, n: settings.n, accuracy: null, complete: false };
  });
}

function errorClassesOf({ planned, ref, evaluation }: There): ErrorClassResult[] {
  const settings = settingsHash(planned.evaluationSettings);
  if (!evaluation) return planned.evaluation.benchmarks.map(({ id }) => ({ run: ref, settings, benchmark: id, counts: {} })); // prettier-ignore
  return Object.entries(evaluation.classes ?? {}).map(([benchmark, counts]) => ({ run: ref, settings, benchmark, counts })); // prettier-ignore
}

function attentionOf({ ref, attention }: There): AttentionResult[] {
  return (attention?.benchmarks ?? []).flatMap(({ benchmark, mean, median, numSamples }) => {
    if (mean === null || median === null) return [];
    return [{ run: ref, settings: attention?.settingsFingerprint ?? "", benchmark, mean, median, numSamples }];
  });
}
