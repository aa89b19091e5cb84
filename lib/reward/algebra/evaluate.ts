// The value of a formula where its symbols have values: double precision, in time linear in the formula and in the
// terms of its sums.
import * as c from "./complex.ts";
import type { Complex } from "./complex.ts";
import { constantNames, type Expression, type Operation, TooMuchWork, UnreadableFormula } from "./expression.ts";

/** Operations in one evaluation, each term of a sum counted. */
const maxOperations = 200_000;

const constants: Readonly<Record<string, Complex>> = {
  [constantNames.pi]: c.complex(Math.PI),
  [constantNames.e]: c.complex(Math.E),
  [constantNames.i]: c.complex(0, 1),
  [constantNames.infinity]: c.complex(Infinity),
};

/** Symbols that stand for themselves whatever is assigned. */
export const isConstant = (name: string): boolean => Object.hasOwn(constants, name);

type Rule = (args: readonly Complex[]) => Complex;
const nan = c.complex(Number.NaN);
const at = (args: readonly Complex[], index: number): Complex => args[index] ?? nan;

const unary =
  (f: (a: Complex) => Complex): Rule =>
  (args) =>
    f(at(args, 0));
const real = (f: (x: number) => number): Rule => unary(c.realFunction(f));
const reals =
  (f: (...values: number[]) => number): Rule =>
  (args) =>
    args.every(c.isReal) ? c.complex(f(...args.map(({ re }) => re))) : nan;
const fold =
  (f: (a: number, b: number) => number): Rule =>
  (args) =>
    reals((...values) => values.reduce(f))(args);
const inverse =
  (f: Rule): Rule =>
  (args) =>
    c.over(c.complex(1), f(args));

const rules: Readonly<Record<string, Rule>> = {
  add: (args) => args.reduce(c.plus),
  multiply: (args) => args.reduce(c.times),
  negate: unary((a) => c.minus(c.complex(0), a)),
  divide: (args) => c.over(at(args, 0), at(args, 1)),
  power: (args) => c.power(at(args, 0), at(args, 1)),
  root: (args) => root(at(args, 0), at(args, 1)),
  percent: unary((a) => c.over(a, c.complex(100))),
  degrees: unary((a) => c.times(a, c.complex(Math.PI / 180))),
  factorial: real(factorial),
  binomial: reals((n, k) => factorial(n) / (factorial(k) * factorial(n - k))),
  modulo: reals((a, b) => a - b * Math.floor(a / b)),
  sin: unary(c.sin),
  cos: unary(c.cos),
  tan: unary((a) => c.over(c.sin(a), c.cos(a))),
  cot: unary((a) => c.over(c.cos(a), c.sin(a))),
  sec: inverse(unary(c.cos)),
  csc: inverse(unary(c.sin)),
  arcsin: real(Math.asin),
  arccos: real(Math.acos),
  arctan: real(Math.atan),
  sinh: unary(c.sinh),
  cosh: unary(c.cosh),
  tanh: unary((a) => c.over(c.sinh(a), c.cosh(a))),
  exp: unary(c.exp),
  ln: unary(c.ln),
  log: (args) => c.over(c.ln(at(args, 0)), c.ln(args[1] ?? c.complex(10))),
  abs: unary((a) => c.complex(c.magnitude(a))),
  floor: real(Math.floor),
  ceil: real(Math.ceil),
  max: reals(Math.max),
  min: reals(Math.min),
  gcd: fold(gcd),
  lcm: fold((a, b) => (a === 0 || b === 0 ? 0 : Math.abs(a * b) / gcd(a, b))),
};

export class Evaluation {
  private readonly values: ReadonlyMap<string, Complex>;
  private left = maxOperations;

  /** @param values of the symbols */
  constructor(values: ReadonlyMap<string, Complex>) {
    this.values = values;
  }

  /**
   * The value; its parts are NaN or infinite where there is none.
   * @throws {UnreadableFormula} for sets, relations and the like, and for a symbol without a value
   * @throws {TooMuchWork}
   */
  of(expression: Expression): Complex {
    this.spend(1);
    if (expression.kind === "number") return c.complex(Number(expression.text));
    if (expression.kind === "symbol") return this.symbol(expression.name);
    if (expression.head === "sum" || expression.head === "product") return this.series(expression);
    if (expression.head === "power") return this.power(expression);
    const rule = rules[expression.head];
    if (rule === undefined) throw new UnreadableFormula(`${expression.head} has no value`);
    return rule(expression.args.map((arg) => this.of(arg)));
  }

  private symbol(name: string): Complex {
    const value = this.values.get(name) ?? (isConstant(name) ? constants[name] : undefined);
    if (value === undefined) throw new UnreadableFormula(`${name} has no value`);
    return value;
  }

  /** An exponent written as a fraction with an odd denominator takes the real root, as `\sqrt[3]{}` does. */
  private power({ args: [base, exponent] }: Operation): Complex {
    if (base === undefined || exponent === undefined) return nan;
    if (exponent.kind === "operation" && exponent.head === "divide") {
      const [top, bottom] = exponent.args.map((arg) => this.of(arg));
      if (top && bottom && Number.isInteger(top.re) && Number.isInteger(bottom.re))
        return c.power(root(this.of(base), bottom), top);
    }
    return c.power(this.of(base), this.of(exponent));
  }

  private series({ head, args: [body, index, from, to] }: Operation): Complex {
    if (body === undefined || index?.kind !== "symbol" || from === undefined || to === undefined) return nan;
    const [first, last] = [this.of(from).re, this.of(to).re];
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) return nan;
    this.spend(Math.max(0, last - first));
    const terms = new Map(this.values);
    let total = c.complex(head === "sum" ? 0 : 1);
    const inner = new Evaluation(terms);
    inner.left = this.left;
    for (let value = first; value <= last; value += 1) {
      terms.set(index.name, c.complex(value));
      const term = inner.of(body);
      total = head === "sum" ? c.plus(total, term) : c.times(total, term);
    }
    this.left = inner.left;
    return total;
  }

  private spend(operations: number): void {
    this.left -= operations;
    if (this.left < 0) throw new TooMuchWork(`more than ${maxOperations} operations`);
  }
}

/** The real root of a negative number where the index is odd, else the principal one. */
function root(radicand: Complex, index: Complex): Complex {
  const isOdd = c.isReal(index) && Math.abs(index.re % 2) === 1;
  if (isOdd && c.isReal(radicand) && radicand.re < 0) return c.complex(-((-radicand.re) ** (1 / index.re)));
  if (index.re === 2 && c.isReal(radicand))
    return radicand.re < 0 ? c.complex(0, Math.sqrt(-radicand.re)) : c.complex(Math.sqrt(radicand.re));
  return c.power(radicand, c.over(c.complex(1), index));
}

/** Infinite from 171 on, where doubles end. */
function factorial(n: number): number {
  if (!Number.isInteger(n) || n < 0) return Number.NaN;
  if (n > 170) return Infinity;
  let product = 1;
  for (let factor = 2; factor <= n; factor += 1) product *= factor;
  return product;
}

function gcd(a: number, b: number): number {
  let [left, right] = [Math.abs(a), Math.abs(b)];
  if (!Number.isSafeInteger(left) || !Number.isSafeInteger(right)) return Number.NaN;
  while (right > 0) [left, right] = [right, left % right];
  return left;
}
