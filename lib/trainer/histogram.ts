/** How many values lie in each of some bins of equal width, and what is needed to describe them all. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  /** Upper edges, ascending; the last is `max`. */
  readonly edges: readonly number[];
  /** As many; a value on an edge counts in the bin below it. */
  readonly counts: readonly number[];
}

const numBins = 30;

/** Of the finite ones of the values; undefined when there is none. */
export function histogramOf(values: readonly number[]): Histogram | undefined {
  const finite = values.filter((value) => Number.isFinite(value));
  if (finite.length === 0) return undefined;
  const fold = (join: (a: number, b: number) => number, start: number) => finite.reduce(join, start);
  const min = fold((a, b) => Math.min(a, b), Infinity);
  const max = fold((a, b) => Math.max(a, b), -Infinity);
  const bins = max > min ? numBins : 1;
  const edges = Array.from({ length: bins }, (_, bin) =>
    bin === bins - 1 ? max : min + ((max - min) * (bin + 1)) / bins,
  );
  const counts = edges.map(() => 0);
  for (const value of finite) {
    const bin = edges.findIndex((edge) => value <= edge);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const sum = fold((a, b) => a + b, 0);
  return { min, max, count: finite.length, sum, sumOfSquares: fold((a, b) => a + b * b, 0), edges, counts };
}
