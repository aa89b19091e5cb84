// Bootstrap intervals of means over rows: of accuracies, or of paired differences between two evaluations.
import { FastRandom } from "./fast-random.ts";

/** A mean with the interval that holds it with the level's probability, in the unit of the values. */
export interface Interval {
  readonly mean: number;
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

/** One value a row of a benchmark. */
export interface RowValues {
  readonly id: string;
  /** [rows] */
  readonly values: Float64Array;
}

/**
 * Means of a benchmark's values in `resamples` draws of its rows with replacement: [resamples]. The draws are a
 * function of the seed and the benchmark's id, so that groups are averages over the same draws, and no benchmark's
 * interval depends on the others.
 */
export function resampledMeans({ id, values }: RowValues, resamples: number, seed: number): Float64Array {
  const random = new FastRandom("bootstrap", seed, id);
  const { length } = values;
  return Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let draw = 0; draw < length; draw += 1) sum += values[random.below(length)] ?? 0;
    return sum / length;
  });
}

/**
 * Percentile interval of the unweighted mean over benchmarks of their means.
 * @param means one or more of resampledMeans, of equal length
 */
export function intervalOf(
  rows: readonly RowValues[],
  means: readonly Float64Array[],
  { level = 0.95 }: BootstrapOptions = {},
): Interval {
  const numResamples = means[0]?.length ?? 0;
  const averages = Float64Array.from({ length: numResamples }, (_, draw) =>
    mean(means.map((drawn) => drawn[draw] ?? 0)),
  ).sort();
  const tail = (1 - level) / 2;
  return {
    mean: mean(rows.map(({ values }) => mean(values))),
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
