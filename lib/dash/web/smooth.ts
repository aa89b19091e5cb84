// Smoothing and the joining of curves: plain functions over arrays.

/**
 * Exponential moving average without the pull of its start. A gap between two steps counts by how long it is beside the
 * usual one, so that a curve in few points is smoothed as strongly as one in many.
 * @param weight of what was before, in [0, 1), for a gap of the usual length
 */
export function smooth(steps: readonly number[], values: readonly number[], weight: number): number[] {
  if (weight <= 0) return [...values];
  const usual = ((steps.at(-1) ?? 0) - (steps[0] ?? 0)) / Math.max(1, steps.length - 1);
  let [average, mass] = [0, 0];
  return values.map((value, index) => {
    const gap = index === 0 || usual <= 0 ? 1 : ((steps[index] ?? 0) - (steps[index - 1] ?? 0)) / usual;
    const kept = weight ** gap;
    average = kept * average + (1 - kept) * value;
    mass = kept * mass + (1 - kept);
    return mass > 0 ? average / mass : value;
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
