// "Did you mean" for misspelt names.

/** Single-character insertions, deletions, replacements and neighbour swaps between two words. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + +!same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length] ?? 0;
}

const simple = (word: string) => word.toLowerCase().replaceAll(/[_-]/gu, "");
const lastPart = (key: string) => key.slice(key.lastIndexOf(".") + 1);

/** Long hostile keys would make the distance slow, and nothing is near them. */
const maxWordLength = 100;

/**
 * The candidate nearest to `key`, or undefined when none is near: one with the same last part wherever it stands, else
 * the fewest edits, at most a third of the word. Case, `_` and `-` do not count.
 * @param candidates dotted keys
 */
export function nearest(key: string, candidates: Iterable<string>): string | undefined {
  if (key.length > maxWordLength) return undefined;
  const word = simple(lastPart(key));
  const limit = word.length < 2 ? 0 : Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestCost = Infinity;
  for (const candidate of candidates) {
    const end = editDistance(word, simple(lastPart(candidate)));
    if (end > limit) continue;
    // The last part decides; among equals, the one whose whole path is nearest.
    const cost = end * maxWordLength + editDistance(simple(key), simple(candidate));
    if (cost < bestCost) [best, bestCost] = [candidate, cost];
  }
  return best;
}

/** ` (did you mean X?)`, or nothing. */
export function didYouMean(key: string, candidates: Iterable<string>): string {
  const match = nearest(key, candidates);
  return match === undefined ? "" : ` (did you mean ${match}?)`;
}
