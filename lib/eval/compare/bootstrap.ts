// Paired bootstrap intervals of the difference between two evaluations of the same rows.
import { FastRandom } from "./fast-random.ts";

/** B - A with an interval that holds it with the level's probability, in the unit of the values. */
export interface Interval {
  readonly difference: number;
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Default 10,000. */
  readonly resamples?: number;
  /** In (0, 1); default 0.95. */
  readonly level?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Rows of one benchmark: per row the difference B - A. */
export interface PairedRows {
  readonly id: string;
  /** [rows] */
  readonly differences: Float64Array;
}

/**
 * Means of each benchmark's differences in `resamples` draws of its rows with replacement: [resamples]. The draws are a
 * function of the seed and the benchmark's id, so that groups are averages over the same draws, and no benchmark's
 * interval depends on the others.
 */
export function resampledMeans({ id, differences }: PairedRows, resamples: number, seed: number): Float64Array {
  const random = new FastRandom("bootstrap", seed, id);
  const { length } = differences;
  return Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let draw = 0; draw < length; draw += 1) sum += differences[random.below(length)] ?? 0;
    return sum / length;
  });
}

/**
 * Percentile interval of the unweighted mean over benchmarks of their mean difference.
 * @param means one or more of resampledMeans, of equal length
 */
export function intervalOf(
  rows: readonly PairedRows[],
  means: readonly Float64Array[],
  { level = 0.95 }: BootstrapOptions = {},
): Interval {
  const numResamples = means[0]?.length ?? 0;
  const averages = Float64Array.from({ length: numResamples }, (_, draw) =>
    mean(means.map((drawn) => drawn[draw] ?? 0)),
  ).sort();
  const tail = (1 - level) / 2;
  return {
    difference: mean(rows.map(({ differences }) => mean(differences))),
    low: quantile(averages, tail),
    high: quantile(averages, 1 - tail),
  };
}

/** Linear between neighbours, as numpy's default. @param sorted ascending, one or more */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const [low = 0, high = low] = [sorted[below], sorted[Math.min(below + 1, sorted.length - 1)]];
  return low + (high - low) * (at - below);
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += values[index] ?? 0;
  return sum / values.length;
}
