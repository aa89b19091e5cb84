// The few statistics that tables need.

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The paper's Δ in %: the relative gain of each column over the baseline's, then their mean, (new / base - 1) x 100.
 * It is not the gain of the averages. Source: section 4 of the paper, recomputed from its Table 1.
 */
export function relativeGain(values: readonly number[], baseline: readonly number[]): number {
  return mean(values.map((value, index) => (value / (baseline[index] ?? NaN) - 1) * 100));
}

/** Half the width of the 95 % t interval of the mean of independent values; undefined for fewer than two. */
export function halfWidth95(values: readonly number[]): number | undefined {
  const n = values.length;
  if (n < 2) return undefined;
  const centre = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (n - 1);
  return studentT975(n - 1) * Math.sqrt(variance / n);
}

const smallDegrees = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281];

/** 97.5 % quantile of Student's t, to 1e-3: tabulated to 10 degrees of freedom, then Cornish and Fisher's expansion. */
export function studentT975(degrees: number): number {
  const tabulated = smallDegrees[degrees - 1];
  if (tabulated !== undefined) return tabulated;
  const z = 1.959964;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, index) => sum + term / degrees ** (index + 1), z);
}
