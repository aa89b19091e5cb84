// Exact rational values, for numbers that doubles cannot tell apart.
import type { Expression } from "./expression.ts";

export interface Rational {
  readonly top: bigint;
  /** Above 0. */
  readonly bottom: bigint;
}

/** Digits of a number past which it is not computed exactly. */
const maxDigits = 500;
const maxExponent = 64n;

function rational(top: bigint, bottom: bigint): Rational | undefined {
  if (bottom === 0n) return undefined;
  const value = bottom < 0n ? { top: -top, bottom: -bottom } : { top, bottom };
  return isSmall(value.top) && isSmall(value.bottom) ? value : undefined;
}

const limit = 10n ** BigInt(maxDigits);
const isSmall = (value: bigint) => value < limit && value > -limit;

/** Value of digits with at most one point. */
export function parseRational(text: string): Rational | undefined {
  if (text.length > maxDigits) return undefined;
  const [whole = "", fraction = ""] = text.split(".");
  return rational(BigInt(`${whole}${fraction}` || "0"), 10n ** BigInt(fraction.length));
}

export const areEqualRationals = (a: Rational, b: Rational): boolean => a.top * b.bottom === b.top * a.bottom;

/** The value of an expression of numbers, + - * / %, and small whole exponents; undefined for any other. */
export function exactValue(expression: Expression): Rational | undefined {
  if (expression.kind === "symbol") return undefined;
  if (expression.kind === "number") return parseRational(expression.text);
  const { head } = expression;
  const combine = combinations[head];
  if (combine === undefined) return undefined;
  const values: Rational[] = [];
  for (const arg of expression.args) {
    const value = exactValue(arg);
    if (value === undefined) return undefined;
    values.push(value);
  }
  const [first, ...rest] = values;
  if (first === undefined) return undefined;
  if (rest.length === 0) return combine(first, one);
  return rest.reduce<Rational | undefined>((total, value) => total && combine(total, value), first);
}

const one: Rational = { top: 1n, bottom: 1n };

const combinations: Readonly<Record<string, (a: Rational, b: Rational) => Rational | undefined>> = {
  add: (a, b) => rational(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom),
  multiply: (a, b) => rational(a.top * b.top, a.bottom * b.bottom),
  divide: (a, b) => rational(a.top * b.bottom, a.bottom * b.top),
  negate: (a) => rational(-a.top, a.bottom),
  percent: (a) => rational(a.top, a.bottom * 100n),
  power: (a, b) => {
    if (b.bottom !== 1n || b.top > maxExponent || b.top < -maxExponent) return undefined;
    const positive = b.top < 0n ? -b.top : b.top;
    const [top, bottom] = [a.top ** positive, a.bottom ** positive];
    return b.top < 0n ? rational(bottom, top) : rational(top, bottom);
  },
};
