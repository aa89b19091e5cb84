// Smoothing and the joining of curves: plain functions over arrays.

/**
 * Exponential moving average without the pull of its start. A value so many steps after the last weighs as if each step
 * between had had it, so that a curve in few points is smoothed as the whole one is.
 * @param weight of what was before, in [0, 1), for a step of `unit`
 */
export function smooth(steps: readonly number[], values: readonly number[], weight: number): number[] {
  if (weight <= 0) return [...values];
  let [average, mass] = [0, 0];
  return values.map((value, index) => {
    const gap = index === 0 ? 1 : Math.max(1, (steps[index] ?? 0) - (steps[index - 1] ?? 0));
    const kept = weight ** gap;
    average = kept * average + (1 - kept) * value;
    mass = kept * mass + (1 - kept);
    return average / mass;
  });
}

/** Curves over the union of their steps: null where one has no value, the last value where a step comes twice. */
export function align(curves: readonly { readonly steps: readonly number[]; readonly values: readonly number[] }[]): {
  readonly steps: number[];
  readonly columns: (number | null)[][];
} {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const indexOf = new Map(steps.map((step, index) => [step, index]));
  const columns = curves.map((curve) => {
    const column = new Array<number | null>(steps.length).fill(null);
    for (const [index, step] of curve.steps.entries()) column[indexOf.get(step) ?? 0] = curve.values[index] ?? null;
    return column;
  });
  return { steps, columns };
}
