import type { Dataset } from "../../data/dataset.ts";
import { SkipCounter } from "../../data/skips.ts";

/** Data sets one after the other as one, so that batches may run across them. */
export function joined(datasets: readonly Dataset[]): Dataset {
  const starts = datasets.reduce<number[]>((ends, { length }) => [...ends, (ends.at(-1) ?? 0) + length], [0]);
  const length = starts.at(-1) ?? 0;
  const read = async (index: number) => {
    const at = starts.findLastIndex((start) => start <= index);
    const dataset = datasets[at];
    if (dataset === undefined) throw new RangeError(`[Dataset.read] index: expected 0 to ${length - 1}, got ${index}`);
    return await dataset.read(index - (starts[at] ?? 0));
  };
  // Each data set has counted its own unusable rows; this counter stays as it is.
  return { name: datasets.map(({ name }) => name).join(", "), length, skips: new SkipCounter("all", 1), read };
}
