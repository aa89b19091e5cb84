// Whether two formulas are the same function: compared at points that neither could have been chosen for. A sum of
// such formulas that is not zero everywhere is zero at a random point with chance 0, so no algebra is needed.
import { type Complex, complex, isFiniteComplex, magnitude, minus, over } from "./complex.ts";
import { Evaluation, isConstant } from "./evaluate.ts";
import { areEqualRationals, exactValue } from "./exact.ts";
import { constantNames, type Expression, hasDecimal, isOperation, symbolsOf } from "./expression.ts";

/** Values of all symbols that a comparison is made at, of both signs and sizes. */
const points = Array.from({ length: 12 }, (_, index) => index);
/** From this point on the values are small natural numbers, where factorials are defined. */
const firstNatural = 8;
/** Points where both formulas must have a value. */
const minPoints = 3;
const tolerance = 1e-11;
/** Significant digits from which a decimal may stand for a value that it rounds. */
const minDigits = 5;

/**
 * Whether two expressions without sets or relations are equal: exactly where both are rational, else to a relative
 * 1e-11 at all points where they have values.
 * @throws {UnreadableFormula} as Evaluation.of does
 */
export function areIdentical(a: Expression, b: Expression): boolean {
  const [infinityA, infinityB] = [infinityOf(a), infinityOf(b)];
  if (infinityA !== 0 || infinityB !== 0) return infinityA === infinityB;
  const [exactA, exactB] = [exactValue(a), exactValue(b)];
  if (exactA && exactB) return areEqualRationals(exactA, exactB);
  return agree(a, b, isClose);
}

/** Likewise, but a decimal of five or more significant digits also equals what it rounds. */
export function areEqual(a: Expression, b: Expression): boolean {
  return areIdentical(a, b) || rounds(a, b) || rounds(b, a);
}

/**
 * Whether one expression is the other times a number: the same equation when both are to be 0.
 * @param positive only a positive number will do: the same inequality
 */
export function areProportional(a: Expression, b: Expression, positive: boolean): boolean {
  let ratio: Complex | undefined;
  return agree(a, b, (valueA, valueB) => {
    const next = over(valueA, valueB);
    ratio ??= next;
    return isClose(next, ratio) && magnitude(next) > 0 && (!positive || (next.im === 0 && next.re > 0));
  });
}

function agree(a: Expression, b: Expression, test: (valueA: Complex, valueB: Complex) => boolean): boolean {
  const names = [...symbolsOf(b, symbolsOf(a))].filter((name) => !isConstant(name)).sort();
  let agreed = 0;
  const needed = names.length === 0 ? 1 : minPoints;
  for (const point of names.length === 0 ? [0] : points) {
    if (point >= firstNatural && agreed >= needed) break;
    const values = new Map(names.map((name, index) => [name, complex(coordinate(point, index))]));
    const [valueA, valueB] = [new Evaluation(values).of(a), new Evaluation(values).of(b)];
    if (!isFiniteComplex(valueA) || !isFiniteComplex(valueB)) continue;
    if (!test(valueA, valueB)) return false;
    agreed += 1;
  }
  return agreed >= needed;
}

/** Sign of a written infinity, else 0: what only overflows is no infinity. */
function infinityOf(expression: Expression): number {
  if (expression.kind === "symbol") return expression.name === constantNames.infinity ? 1 : 0;
  const negated = isOperation(expression, "negate") ? expression.args[0] : undefined;
  return negated === undefined ? 0 : 0 - infinityOf(negated);
}

/** Spread over [-4, -0.3] and [0.3, 4] by a sequence without small relations between its members; or 2 to 8. */
function coordinate(point: number, index: number): number {
  if (point >= firstNatural) return 2 + ((3 * point + 5 * index) % 7);
  const spread = (0.5 + (point + 1) * Math.SQRT2 + (index + 1) * Math.sqrt(7 + 4 * point)) % 1;
  return (0.3 + 3.7 * spread) * ((point + index) % 2 === 0 ? 1 : -1);
}

function isClose(a: Complex, b: Complex): boolean {
  return magnitude(minus(a, b)) <= tolerance * Math.max(1e-3, magnitude(a), magnitude(b));
}

/** Whether `a` is a decimal that rounds the value of `b`, which is no decimal itself. */
function rounds(a: Expression, b: Expression): boolean {
  const { negative, text } = decimalOf(a);
  if (text === undefined || hasDecimal(b) || ![...symbolsOf(b)].every(isConstant)) return false;
  const digits = text.replace(".", "").replace(/^0+/u, "").length;
  if (digits < minDigits) return false;
  const value = realValue(b);
  const unit = 10 ** -(text.split(".")[1]?.length ?? 0);
  return Math.abs((negative ? -1 : 1) * Number(text) - value) <= unit * (0.5 + 1e-6);
}

function decimalOf(expression: Expression): { negative: boolean; text?: string } {
  if (expression.kind === "number" && expression.text.includes(".")) return { negative: false, text: expression.text };
  const negated = isOperation(expression, "negate") ? expression.args[0] : undefined;
  if (negated === undefined) return { negative: false };
  const { negative, ...inner } = decimalOf(negated);
  return { ...inner, negative: !negative };
}

function realValue(expression: Expression): number {
  const value = new Evaluation(new Map()).of(expression);
  return value.im === 0 ? value.re : Number.NaN;
}
