// Cells of our rows of an accuracy table: means over seeds with their intervals, gains over the baseline.
import type { AccuracyColumn } from "./columns.ts";
import { type EvaluationResult, isUnfinished } from "./results.ts";
import type { NeededRun } from "./runs.ts";
import { halfWidth95, mean, relativeGain } from "./statistics.ts";
import { type Cell, absent, incomplete, number } from "./table.ts";

/** Results of a run, one a seed, in the order of the seeds. */
export function resultsOf(run: NeededRun, results: readonly EvaluationResult[]): EvaluationResult[] {
  return results
    .filter(({ run: of }) => of.method === run.method && of.size === run.size)
    .sort((a, b) => a.run.seed - b.run.seed);
}

/**
 * A cell over the seeds of a run. A benchmark or an average is the mean over seeds with the t interval over seeds; with
 * one seed a benchmark has its own interval over rows. A gain is that of the columns' means, so that it follows from the
 * printed row; its interval is over the gains of the seeds that run and baseline share, when they have the same seeds.
 */
export function accuracyCell(
  column: AccuracyColumn,
  seeds: readonly EvaluationResult[],
  baseline: readonly EvaluationResult[],
): Cell {
  if (seeds.length === 0 || (column.kind === "gain" && baseline.length === 0)) return absent;
  const values = seeds.map((seed) => accuraciesOf(seed, column.benchmarks));
  if (!values.every((value) => value !== undefined)) return incomplete;
  if (column.kind === "gain") return gainCell(column, { seeds, values, baseline });
  const own = column.kind === "benchmark" && seeds.length === 1 ? rowInterval(seeds[0], column.key) : undefined;
  return withInterval(mean(values.map(mean)), halfWidth95(values.map(mean)) ?? own);
}

interface GainInputs {
  readonly seeds: readonly EvaluationResult[];
  readonly values: readonly (readonly number[])[];
  readonly baseline: readonly EvaluationResult[];
}

function gainCell({ benchmarks }: AccuracyColumn, { seeds, values, baseline }: GainInputs): Cell {
  const before = baseline.map((seed) => accuraciesOf(seed, benchmarks));
  if (!before.every((value) => value !== undefined)) return incomplete;
  const isPaired = seedsOf(seeds) === seedsOf(baseline);
  const paired = isPaired ? values.map((value, index) => relativeGain(value, before[index] ?? [])) : [];
  const gain = relativeGain(columnMeans(values), columnMeans(before));
  return Number.isFinite(gain) ? withInterval(gain, halfWidth95(paired)) : absent;
}

/** In %, of the benchmarks in order; undefined while one of them or the run is not complete. */
function accuraciesOf({ run, benchmarks }: EvaluationResult, names: readonly string[]): number[] | undefined {
  if (isUnfinished(run)) return undefined;
  const scores = names.map((name) => benchmarks.find((score) => score.name === name));
  const values = scores.map((score) => (score?.complete ? score.accuracy : null));
  return values.every((value) => value !== null) ? values : undefined;
}

function rowInterval(result: EvaluationResult | undefined, name: string): number | undefined {
  const interval = result?.benchmarks.find((score) => score.name === name)?.interval;
  return interval && (interval.high - interval.low) / 2;
}

function withInterval(value: number, halfWidth: number | undefined): Cell {
  return number(value, 2, halfWidth === undefined ? {} : { halfWidth });
}

function columnMeans(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, index) => mean(rows.map((values) => values[index] ?? NaN)));
}

function seedsOf(results: readonly EvaluationResult[]): string {
  return results.map(({ run }) => run.seed).join(" ");
}
