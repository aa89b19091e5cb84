// What results must fulfil before they are put side by side or averaged.
import { ResultsError } from "../errors.ts";
import type { BenchmarkScore, EvaluationResult, RunRef, RunResult } from "./results.ts";

/** A result, of one benchmark where it has one. */
interface OfRun {
  readonly run: RunRef;
  readonly benchmark?: string;
}

const nameOf = ({ method, size, seed }: RunRef) => `${method} ${size}, seed ${seed}`;

/**
 * @throws {ResultsError} `duplicate`: two results of one method, size and seed (and benchmark, where results have one)
 */
function checkUnique(results: readonly OfRun[]): void {
  const seen = new Map<string, string>();
  for (const { run, benchmark } of results) {
    const name = nameOf(run) + (benchmark === undefined ? "" : `, ${benchmark}`);
    const first = seen.get(name);
    if (first !== undefined) throw new ResultsError("duplicate", `${first} and ${run.id} are both results of ${name}`);
    seen.set(name, run.id);
  }
}

/**
 * @throws {ResultsError} `duplicate`; `settings`: seeds of one method and size that were trained with different
 *   settings; `rows`: a step that is no count
 */
function checkRuns(results: readonly OfRun[]): void {
  checkUnique(results);
  const firstOf = new Map<string, RunRef>();
  for (const { run } of results) {
    if (!isCount(run.step) || !isCount(run.steps) || run.step > run.steps)
      throw new ResultsError(
        "rows",
        `${run.id}: expected steps done of steps planned, got ${run.step} of ${run.steps}`,
      );
    const key = `${run.method} ${run.size}`;
    const first = firstOf.get(key) ?? run;
    firstOf.set(key, first);
    if (first.settings !== run.settings)
      throw new ResultsError("settings", `${key}: ${first.id} and ${run.id} were trained with different settings (${first.settings}, ${run.settings}); they are not averaged`); // prettier-ignore
  }
}

/**
 * Checks results that stand in one table.
 * @throws {ResultsError} as checkRuns; `settings`: results that were measured with different settings
 */
export function checkMeasured(results: readonly (OfRun & { readonly settings: string })[]): void {
  checkRuns(results);
  const [first] = results;
  const other = results.find(({ settings }) => settings !== first?.settings);
  if (first && other)
    throw new ResultsError("settings", `${first.run.id} and ${other.run.id} were evaluated with different settings (${first.settings}, ${other.settings})`); // prettier-ignore
}

/**
 * Checks the evaluations of one table against each other.
 * @throws {ResultsError} `settings`, `duplicate`, `missing` (a benchmark that another result has), `rows`, `value`
 */
export function checkEvaluations(results: readonly EvaluationResult[]): void {
  checkMeasured(results);
  const [first] = results;
  if (!first) return;
  const benchmarks = new Map(first.benchmarks.map((score) => [score.name, score]));
  for (const result of results) {
    checkNames(result, benchmarks, first.run.id);
    for (const score of result.benchmarks) checkScore(score, benchmarks.get(score.name) ?? score, result.run.id);
  }
}

function checkNames({ run, benchmarks }: EvaluationResult, wanted: ReadonlyMap<string, unknown>, first: string): void {
  const names = benchmarks.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ResultsError("duplicate", `${run.id} has benchmark ${twice} twice`);
  const missing = [...wanted.keys()].find((name) => !names.includes(name));
  if (missing !== undefined)
    throw new ResultsError("missing", `${run.id} has no benchmark ${missing}, ${first} has it`);
  const extra = names.find((name) => !wanted.has(name));
  if (extra !== undefined) throw new ResultsError("missing", `${first} has no benchmark ${extra}, ${run.id} has it`);
}

function checkScore(score: BenchmarkScore, first: BenchmarkScore, id: string): void {
  const { name, rows, numEvaluated, n, accuracy, complete } = score;
  const where = `${id}: ${name}`;
  if (!isCount(rows) || rows === 0 || rows !== first.rows)
    throw new ResultsError("rows", `${where}: expected ${first.rows} rows, as another result has, got ${rows}`);
  if (!isCount(numEvaluated) || (complete ? numEvaluated !== rows : numEvaluated > rows))
    throw new ResultsError("rows", `${where}: expected ${complete ? "" : "at most "}${rows} evaluated rows, got ${numEvaluated}`); // prettier-ignore
  if (!isCount(n) || n === 0 || n !== first.n)
    throw new ResultsError(
      "settings",
      `${where}: expected ${first.n} responses a row, as another result has, got ${n}`,
    );
  if (score.group !== first.group)
    throw new ResultsError("settings", `${where}: expected group ${first.group}, as another result has, got ${score.group}`); // prettier-ignore
  const isPercent = accuracy !== null && accuracy >= 0 && accuracy <= 100;
  if (complete && !isPercent)
    throw new ResultsError("value", `${where}: expected an accuracy from 0 to 100 %, got ${accuracy ?? "null"}`);
  const { interval } = score;
  if (interval && !(interval.low <= interval.high && interval.low >= 0 && interval.high <= 100))
    throw new ResultsError("value", `${where}: expected an interval within 0 to 100 %, got ${interval.low} to ${interval.high}`); // prettier-ignore
}

/**
 * @throws {ResultsError} as checkRuns; `duplicate`: a step twice or out of order; `rows`: another number of values than
 *   steps
 */
export function checkCurves(results: readonly RunResult[]): void {
  checkRuns(results);
  for (const { run, curves } of results) {
    for (const [name, { steps, values }] of Object.entries(curves)) {
      if (steps.length !== values.length)
        throw new ResultsError("rows", `${run.id}: ${name}: expected a value a step (${steps.length}), got ${values.length}`); // prettier-ignore
      const at = steps.findIndex((step, index) => index > 0 && step <= (steps[index - 1] ?? 0));
      if (at >= 0)
        throw new ResultsError("duplicate", `${run.id}: ${name}: step ${steps[at] ?? 0} comes after step ${steps[at - 1] ?? 0}`); // prettier-ignore
    }
  }
}

/** @throws {ResultsError} `value` for anything but a count */
export function checkCount(value: number, where: string): void {
  if (!isCount(value)) throw new ResultsError("value", `${where}: expected a count, got ${value}`);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
