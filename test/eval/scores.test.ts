import { expect, test } from "vitest";
import { majority, passAtK, passKs } from "../../lib/eval/scores.ts";

/** Share of the k-subsets of n responses, the first c right, that hold a right one: counted one by one. */
function passByCounting(n: number, c: number, k: number): number {
  let [all, passing] = [0, 0];
  for (let subset = 0; subset < 2 ** n; subset += 1) {
    const members = Array.from({ length: n }, (_, at) => at).filter((at) => (subset >> at) & 1);
    if (members.length !== k) continue;
    all += 1;
    if (members.some((at) => at < c)) passing += 1;
  }
  return passing / all;
}

test("pass@k is the share of k-subsets with a right response", () => {
  for (const n of [1, 3, 7]) {
    for (let c = 0; c <= n; c += 1) {
      for (let k = 1; k <= n; k += 1) expect(passAtK(n, c, k)).toBeCloseTo(passByCounting(n, c, k), 12);
    }
  }
  expect(passKs(8)).toEqual([1, 2, 4, 8]);
  expect(passKs(5)).toEqual([1, 2, 4, 5]);
  expect(passKs(1)).toEqual([1]);
  expect(() => passAtK(3, 4, 1)).toThrow(RangeError);
  expect(() => passAtK(3, 1, 4)).toThrow(RangeError);
});

test("majority takes the most frequent answer, shares ties, and lets missing answers not vote", () => {
  const right = (key: string) => ({ key, correct: true });
  const wrong = (key: string | null) => ({ key, correct: false });
  // 1/2 and 0.5 are one right answer: two votes to one
  expect(majority([right("\\frac{1}{2}"), right("0.5"), wrong("3")])).toBe(1);
  expect(majority([right("2"), wrong("3"), wrong("3")])).toBe(0);
  expect(majority([right("2"), wrong("3")])).toBe(0.5);
  expect(majority([wrong("4"), right("2"), wrong("3")])).toBeCloseTo(1 / 3, 12);
  expect(majority([right("2"), wrong(null), wrong(null)])).toBe(1);
  expect(majority([wrong(null)])).toBe(0);
  expect(majority([])).toBe(0);
});
