import fc from "fast-check";
import { expect, test } from "vitest";
import { Evaluation } from "../../lib/reward/algebra/evaluate.ts";
import { exactValue } from "../../lib/reward/algebra/exact.ts";
import { TooMuchWork, UnreadableFormula } from "../../lib/reward/algebra/expression.ts";
import { areEqual, areIdentical, areProportional } from "../../lib/reward/algebra/identity.ts";
import { parseLatex } from "../../lib/reward/algebra/parse-latex.ts";
import { dataRows, withKeys } from "../support/data.ts";

const value = (latex: string) => new Evaluation(new Map()).of(parseLatex(latex)).re;

test.each([
  ["\\frac12", 0.5],
  ["\\frac1{72}", 1 / 72],
  ["7\\frac{3}{4}", 7.75],
  ["-2^2", -4],
  ["2^3^2", 512],
  ["2^10", 1024],
  ["2\\sqrt3", 2 * Math.sqrt(3)],
  ["\\sqrt[3]{-8}", -2],
  ["(-8)^{2/3}", 4],
  ["6/2(1+2)", 9],
  ["\\sin 30^\\circ", 0.5],
  ["\\sin^2 2 + \\cos^2 2", 1],
  ["\\sin^{-1} 1", Math.PI / 2],
  ["\\log_2 8 + \\ln e + \\log 100", 6],
  ["|3-5|+|-1|", 3],
  ["5!", 120],
  ["\\binom{5}{2}", 10],
  ["{5 \\choose 2}", 10],
  ["17 \\bmod 5", 2],
  ["\\sum_{n=1}^{10} n^2", 385],
  ["\\prod_{k=1}^{4} 2k", 384],
  ["\\begin{vmatrix} 2 & 1 & 0 \\\\ 1 & 3 & 1 \\\\ 0 & 1 & 4 \\end{vmatrix}", 18],
  ["e^{i\\pi}", -1],
  ["1{,}234", 1234],
  ["1.5E3", 1500],
  ["25\\%", 0.25],
  ["30 \\mathrm{~cm}^{2}", 30],
  ["\\lfloor 2.7 \\rfloor + \\lceil 2.1 \\rceil", 5],
  ["204_5", 54],
  ["\\tfrac{1}{2}+\\!\\dfrac{1}{2}", 1],
])("%j is %d", (latex, expected) => {
  expect(value(latex)).toBeCloseTo(expected, 12);
});

// What sympy's parser gives for formulas that are outside what answers need.
const outside = /\\variable|\\exponentialE|gcd|lcm|\\mod|E[+-]?\d/;

test("formulas have the values that sympy gives them", () => {
  const isNumber = withKeys("latex", "value");
  const rows = dataRows("graders", "LaTeX formulas", (row) => isNumber(row) && typeof row["value"] === "number");
  const inside = rows.filter(({ latex }) => !outside.test(String(latex)));
  console.log(`${inside.length} of ${rows.length} formulas`);
  for (const { latex, value: expected } of inside) {
    const difference = Math.abs(value(String(latex)) - Number(expected));
    expect(difference, String(latex)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(Number(expected))));
  }
});

test.each(["", "(", "\\frac{1}", "1 +", "x^", "\\begin{foo} 1 \\end{foo}", "1)", "\\sum n", "#", "(1,2\\}"])(
  "%j is no formula",
  (latex) => {
    expect(() => parseLatex(latex)).toThrow(UnreadableFormula);
  },
);

test("nesting and length are limited", () => {
  const braces = (depth: number) => `${"{".repeat(depth)}1${"}".repeat(depth)}`;
  expect(() => parseLatex(braces(40))).not.toThrow();
  expect(() => parseLatex(braces(5000))).toThrow(UnreadableFormula);
  expect(() => parseLatex(`1${"+1".repeat(5000)}`)).toThrow(UnreadableFormula);
  // 90,000 terms each of 90,000 terms.
  expect(() => value("\\sum_{n=1}^{90000} \\sum_{m=1}^{90000} n m")).toThrow(TooMuchWork);
});

test.each([
  ["(x+1)^2", "x^2+2x+1"],
  ["\\sin 2x", "2\\sin x\\cos x"],
  ["a^{m+n}", "a^m a^n"],
  ["\\frac{x^2-1}{x-1}", "x+1"],
  ["\\sqrt[3]{x}^2", "x^{2/3}"],
  ["\\frac{1}{\\sqrt2+1}", "\\sqrt2-1"],
  ["\\sqrt{5+2\\sqrt6}", "\\sqrt2+\\sqrt3"],
  ["\\ln 4", "2\\ln 2"],
  ["999999999999999999999", "10^{21}-1"],
  ["0.1+0.2", "0.3"],
])("%j is %j everywhere", (a, b) => {
  expect(areIdentical(parseLatex(a), parseLatex(b))).toBe(true);
});

test.each([
  ["\\sqrt{x^2}", "x"],
  ["(x+1)^2", "x^2+1"],
  ["x y", "x z"],
  ["999999999999999999999", "10^{21}"],
  ["9^{9^9}", "8^{8^8}"],
  ["\\infty", "-\\infty"],
  ["1.41421356", "\\sqrt2"],
  ["\\frac00", "\\frac00"],
])("%j is not %j everywhere", (a, b) => {
  expect(areIdentical(parseLatex(a), parseLatex(b))).toBe(false);
});

test("a decimal equals what it rounds from five significant digits on", () => {
  const equal = (a: string, b: string) => areEqual(parseLatex(a), parseLatex(b));
  expect(equal("1.4142", "\\sqrt2")).toBe(true);
  expect(equal("\\frac83", "2.6667")).toBe(true);
  expect(equal("-0.33333", "-\\frac13")).toBe(true);
  expect(equal("1.4143", "\\sqrt2")).toBe(false);
  expect(equal("0.33", "\\frac13")).toBe(false);
  expect(equal("2.66670", "2.6667")).toBe(true);
  expect(equal("2.66667", "2.6667")).toBe(false);
});

test("equations are alike up to a factor, inequalities up to a positive one", () => {
  const [a, b, c] = ["x-5", "10-2x", "2x-10"].map(parseLatex);
  if (a === undefined || b === undefined || c === undefined) throw new Error("three formulas");
  expect(areProportional(a, b, false)).toBe(true);
  expect(areProportional(a, b, true)).toBe(false);
  expect(areProportional(a, c, true)).toBe(true);
});

/** A polynomial as text and as a function. */
const polynomial = fc.letrec<{ p: { latex: string; at: (x: number) => number } }>((tie) => ({
  p: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.integer({ min: 0, max: 9 }).map((n) => ({ latex: String(n), at: () => n })),
    fc.constant({ latex: "x", at: (x: number) => x }),
    fc.tuple(tie("p"), tie("p"), fc.constantFrom("+", "-", "\\cdot ")).map(([a, b, sign]) => ({
      latex: `\\left(${a.latex}\\right)${sign}(${b.latex})`,
      at: (x: number) => (sign === "+" ? a.at(x) + b.at(x) : sign === "-" ? a.at(x) - b.at(x) : a.at(x) * b.at(x)),
    })),
  ),
})).p;

test("polynomials are read as they are computed, and differ from themselves plus one", () => {
  fc.assert(
    fc.property(polynomial, ({ latex, at }) => {
      const expression = parseLatex(latex);
      for (const x of [-3, 0, 0.5, 2]) {
        const { re } = new Evaluation(new Map([["x", { re: x, im: 0 }]])).of(expression);
        if (Math.abs(re - at(x)) > 1e-9 * Math.max(1, Math.abs(at(x)))) return false;
      }
      return areIdentical(expression, expression) && !areIdentical(expression, parseLatex(`${latex}+1`));
    }),
  );
});

test("rational arithmetic is exact", () => {
  expect(exactValue(parseLatex("\\frac{1}{3}-\\frac{1}{4}+0.05"))).toEqual({ top: 160n, bottom: 1200n });
  expect(exactValue(parseLatex("2^{-3}"))).toEqual({ top: 1n, bottom: 8n });
  expect(exactValue(parseLatex("\\frac{1}{0}"))).toBeUndefined();
  expect(exactValue(parseLatex("9^{9^9}"))).toBeUndefined();
});
