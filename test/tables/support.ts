// Small results of two groups: `a` and `b` are general, `c` is vision-dependent.
import type { BenchmarkScore, EvaluationResult, RunRef, RunResult } from "../../lib/tables/results.ts";

export function runRef(method: string, changes: Partial<RunRef> = {}): RunRef {
  const seed = changes.seed ?? 1;
  return {
    id: `${method}-${seed}`,
    method,
    size: "mini",
    seed,
    settings: `train-${method}`,
    step: 20,
    steps: 20,
    ...changes,
  };
}

export function score(name: string, accuracy: number | null, changes: Partial<BenchmarkScore> = {}): BenchmarkScore {
  const group = name === "c" ? "vision-dependent" : "general";
  return { name, group, rows: 50, numEvaluated: 50, n: 8, accuracy, complete: true, ...changes };
}

export function evaluation(run: RunRef, benchmarks: readonly BenchmarkScore[], settings = "eval"): EvaluationResult {
  return { run, suite: "main", settings, benchmarks };
}

/** Accuracies of a, b and c. */
export function abc(run: RunRef, ...accuracies: [number, number, number]): EvaluationResult {
  return evaluation(
    run,
    ["a", "b", "c"].map((name, index) => score(name, accuracies[index] ?? 0)),
  );
}

/** A run whose metric has these values at steps 1, 2, ... */
export function runWith(run: RunRef, curves: Readonly<Record<string, readonly (number | null)[]>>): RunResult {
  const entries = Object.entries(curves).map(([name, values]) => [
    name,
    { steps: values.map((_, index) => index + 1), values },
  ]);
  return { run, curves: Object.fromEntries(entries) as RunResult["curves"] };
}
