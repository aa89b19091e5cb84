// Sets of real numbers made of intervals and points by union, intersection and difference: equal when each holds the
// other's ends, and what lies between them, alike.
import { Evaluation } from "../algebra/evaluate.ts";
import { type Expression, UnreadableFormula } from "../algebra/expression.ts";
import { membersOf } from "./answer-values.ts";

interface RealSet {
  /** Numbers where membership may change. */
  readonly ends: readonly number[];
  readonly has: (x: number) => boolean;
}

/** @throws {UnreadableFormula} where one of them is no set of numbers */
export function areEqualSets(a: Expression, b: Expression): boolean {
  const [left, right] = [realSet(a), realSet(b)];
  return samples(left, right).every((x) => left.has(x) === right.has(x));
}

/** Whether no number is in both. @throws {UnreadableFormula} likewise */
export function areDisjoint(a: Expression, b: Expression): boolean {
  const [left, right] = [realSet(a), realSet(b)];
  return !samples(left, right).some((x) => left.has(x) && right.has(x));
}

/** Numbers at, between and beyond the ends of both: a set of their parts is alike in between. */
function samples(left: RealSet, right: RealSet): number[] {
  const ends = merged([...left.ends, ...right.ends]);
  const between = ends.slice(1).map((end, index) => (end + (ends[index] ?? end)) / 2);
  const beyond = [(ends[0] ?? 0) - 1, (ends.at(-1) ?? 0) + 1];
  return [...ends, ...between, ...beyond];
}

function realSet(expression: Expression): RealSet {
  if (expression.kind === "operation" && expression.args.length === 2) {
    const { head, detail, args } = expression;
    if (head === "sequence") return interval(args.map(value), detail);
    const combine = combinations[head];
    if (combine !== undefined) return combined(args.map(realSet), combine);
  }
  const points = (membersOf(expression) ?? [expression]).map(value);
  return { ends: points, has: (x) => points.some((point) => isSame(point, x)) };
}

const combinations: Readonly<Record<string, (a: boolean, b: boolean) => boolean>> = {
  union: (a, b) => a || b,
  intersection: (a, b) => a && b,
  difference: (a, b) => a && !b,
};

function combined([a, b]: readonly RealSet[], combine: (a: boolean, b: boolean) => boolean): RealSet {
  if (a === undefined || b === undefined) throw new UnreadableFormula("a set operation without its sets");
  return { ends: [...a.ends, ...b.ends], has: (x) => combine(a.has(x), b.has(x)) };
}

function interval([low = Number.NaN, high = Number.NaN]: readonly number[], brackets: string): RealSet {
  const has = (x: number) => {
    if (isSame(x, low)) return brackets.startsWith("[") && !(isSame(x, high) && brackets.endsWith(")"));
    if (isSame(x, high)) return brackets.endsWith("]");
    return x > low && x < high;
  };
  return { ends: [low, high].filter(Number.isFinite), has };
}

function value(expression: Expression): number {
  const { re, im } = new Evaluation(new Map()).of(expression);
  if (im !== 0 || Number.isNaN(re)) throw new UnreadableFormula("no real number");
  return re;
}

function isSame(a: number, b: number): boolean {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return a === b;
  return Math.abs(a - b) <= 1e-9 * Math.max(1e-3, Math.abs(a), Math.abs(b));
}

function merged(numbers: readonly number[]): number[] {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.filter((x, index) => index === 0 || !isSame(x, sorted[index - 1] ?? x));
}
