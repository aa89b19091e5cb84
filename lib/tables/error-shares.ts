// Error classes of a run against its baseline's: how many errors of each class for 100 errors of the baseline.
import { ResultsError } from "../errors.ts";
import { checkCount } from "./result-checks.ts";
import { type ErrorClass, type ErrorClassResult, errorClasses } from "./results.ts";
import { halfWidth95, mean } from "./statistics.ts";

export type ErrorCounts = ErrorClassResult["counts"];

/** Mean over seeds, with half the 95 % t interval over them. */
export interface Estimate {
  readonly value: number;
  readonly halfWidth: number | undefined;
}

export interface ErrorShares {
  /** Errors for 100 errors of the baseline. */
  readonly byClass: Readonly<Record<ErrorClass, Estimate>>;
  readonly all: Estimate;
  /** Wrong responses of all, in %; undefined where right ones were not counted. */
  readonly errorRate: Estimate | undefined;
  readonly numSeeds: number;
}

/** Counts of all benchmarks of a seed together. */
export interface SeedCounts {
  readonly id: string;
  readonly seed: number;
  readonly counts: ErrorCounts;
}

/**
 * Counts by seed of a method and size, in the order of the seeds.
 * @param results as checkMeasured lets them through
 * @throws {ResultsError} `value` for half an error
 */
export function seedCounts(results: readonly ErrorClassResult[], of: { method: string; size: string }): SeedCounts[] {
  const used = results.filter(({ run }) => run.method === of.method && run.size === of.size);
  const seeds = [...new Set(used.map(({ run }) => run.seed))].sort((a, b) => a - b);
  return seeds.map((seed) => {
    const ofSeed = used.filter(({ run }) => run.seed === seed);
    return { id: ofSeed[0]?.run.id ?? "", seed, counts: sumCounts(ofSeed) };
  });
}

function sumCounts(results: readonly ErrorClassResult[]): ErrorCounts {
  const sums: Partial<Record<ErrorClass | "correct", number>> = {};
  for (const { run, benchmark, counts } of results) {
    for (const [name, count] of Object.entries(counts) as [ErrorClass | "correct", number][]) {
      checkCount(count, `${run.id}: ${benchmark}: ${name}`);
      sums[name] = (sums[name] ?? 0) + count;
    }
  }
  return sums;
}

/**
 * Shares of a run's errors by the baseline's of the same seed, over the seeds that both have; undefined for none.
 * @throws {ResultsError} `rows` for another number of responses than the baseline's; `value` for a baseline without
 *   errors
 */
export function errorShares(seeds: readonly SeedCounts[], baseline: readonly SeedCounts[]): ErrorShares | undefined {
  const pairs = seeds.flatMap((seed) => {
    const base = baseline.find((other) => other.seed === seed.seed);
    return base ? [pairOf(seed, base)] : [];
  });
  if (pairs.length === 0) return undefined;
  const over = (share: (pair: Pair) => number) => estimate(pairs.map(share));
  const perHundred = (name: ErrorClass) => over(({ counts, base }) => ((counts[name] ?? 0) / numErrors(base)) * 100);
  const hasRate = pairs.every(({ counts, base }) => counts.correct !== undefined && base.correct !== undefined);
  return {
    byClass: Object.fromEntries(errorClasses.map((name) => [name, perHundred(name)])) as ErrorShares["byClass"],
    all: over(({ counts, base }) => (numErrors(counts) / numErrors(base)) * 100),
    errorRate: hasRate ? over(({ counts }) => (numErrors(counts) / numResponses(counts)) * 100) : undefined,
    numSeeds: pairs.length,
  };
}

interface Pair {
  readonly counts: ErrorCounts;
  readonly base: ErrorCounts;
}

function pairOf({ id, counts }: SeedCounts, base: SeedCounts): Pair {
  if (numErrors(base.counts) === 0) throw new ResultsError("value", `${base.id}: expected errors, got none`);
  const areWhole = counts.correct !== undefined && base.counts.correct !== undefined;
  if (areWhole && numResponses(counts) !== numResponses(base.counts))
    throw new ResultsError("rows", `${id}: expected ${numResponses(base.counts)} responses, as ${base.id} has, got ${numResponses(counts)}`); // prettier-ignore
  return { counts, base: base.counts };
}

function estimate(values: readonly number[]): Estimate {
  return { value: mean(values), halfWidth: halfWidth95(values) };
}

function numErrors(counts: ErrorCounts): number {
  return errorClasses.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
}

function numResponses(counts: ErrorCounts): number {
  return numErrors(counts) + (counts.correct ?? 0);
}
