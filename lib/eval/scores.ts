// What n graded responses to one row say: avg@n, pass@k, majority@n.

/** A response's answer as far as voting needs it. */
export interface Vote {
  /** Answers that are the same by the grader's string rules have the same key; null: no answer, which does not vote. */
  readonly key: string | null;
  readonly correct: boolean;
}

/**
 * Probability that k responses drawn without replacement out of n, of which c are right, hold a right one:
 * 1 - C(n - c, k) / C(n, k), the unbiased estimator of pass@k.
 * Source: Chen et al., Evaluating large language models trained on code (2021), eq. 1.
 * @throws {RangeError} unless 1 <= k <= n and 0 <= c <= n
 */
export function passAtK(n: number, c: number, k: number): number {
  if (!(k >= 1 && k <= n && c >= 0 && c <= n)) throw new RangeError(`[passAtK] n ${n}, c ${c}, k ${k}`);
  let allWrong = 1;
  for (let draw = 0; draw < k; draw += 1) allWrong *= Math.max(0, n - c - draw) / (n - draw);
  return 1 - allWrong;
}

/** The k of which pass@k is reported: powers of two below n, and n. */
export function passKs(n: number): number[] {
  const ks: number[] = [];
  for (let k = 1; k < n; k *= 2) ks.push(k);
  return [...ks, n];
}

/**
 * Whether the most frequent answer is right, in [0, 1]: among answers with equally many votes, the share of right ones,
 * so that the order of the responses has no say. 0 when no response has an answer.
 */
export function majority(votes: readonly Vote[]): number {
  const counts = new Map<string, { count: number; correct: boolean }>();
  for (const { key, correct } of votes) {
    if (key === null) continue;
    // All right answers are one answer, however they are written.
    const name = correct ? "right" : `wrong ${key}`;
    counts.set(name, { count: (counts.get(name)?.count ?? 0) + 1, correct });
  }
  const most = Math.max(...[...counts.values()].map(({ count }) => count));
  const winners = [...counts.values()].filter(({ count }) => count === most);
  return winners.length === 0 ? 0 : winners.filter(({ correct }) => correct).length / winners.length;
}
