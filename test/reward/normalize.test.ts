import { expect, test } from "vitest";
import { normalizeAnswer, withoutThousandsCommas } from "../../lib/reward/grader/answer-normalize.ts";
import { latexToText } from "../../lib/reward/grader/latex-text.ts";
import { mathNormalize } from "../../lib/reward/grader/math-normalize.ts";
import { integerText, parseFinite, strip } from "../../lib/reward/grader/python-text.ts";

test.each([
  ["\\tfrac12", "\\frac{1}{2}"],
  ["\\dfrac1{72}", "\\frac{1}{72}"],
  ["3/4", "\\frac{3}{4}"],
  ["03/4", "03/4"],
  ["-3/-4", "\\frac{-3}{-4}"],
  ["\\left( 1 , 2 \\right)", "(1,2)"],
  ["k = 7", "7"],
  ["abc=7", "abc=7"],
  ["a=b=c", "a=b=c"],
  ["50\\%", "50"],
  ["\\frac{.5}{2}", "\\frac{0.5}{2}"],
  ["\\text{(A)}", "(A)"],
  ["5\\text{ m}", "5"],
  ["\\!", ""],
  // rules that break half-way give the answer back
  [" 5 \\sqrt", "5 \\sqrt"],
  [" 5 \\frac ", "5 \\frac"],
  ["1\\text{ a}\\text{ b}", "1\\text{ a}\\text{ b}"],
  ["\\frac1", "\\frac1"],
])("the MATH form of %j is %j", (answer, expected) => {
  expect(mathNormalize(answer)).toBe(expected);
});

test.each([
  ["\\text{Two Words}\n", "twowords"],
  ["10 square feet^2", "10square"],
  ["monday", "mon"],
  ["1 or 2", "1,2"],
  ["{5}", "5"],
  ["1,\\! 000", "1000"],
  ["1e3", "1000"],
  ["2.99999999", "3"],
  ["1_000", "1000"],
  ["-0.0", "0"],
  ["1e22", "10000000000000000000000"],
  ["1e999", "1e999"],
  ["7 3/4", "7+3/4"],
  ["- 5", "-5"],
  ["90 ^ \\circ", "90"],
  ["\\frac{1}{2}", "1/2"],
  ["\\infty \\cup \\pi", "infupi"],
  ["\\sqrt", "\\sqrt"],
])("the comparison form of %j is %j", (answer, expected) => {
  expect(normalizeAnswer(answer)).toBe(expected);
});

test("thousands commas go left to right, each match taking the character behind it", () => {
  expect(withoutThousandsCommas("1,234,567")).toBe("1234567");
  expect(withoutThousandsCommas("1,234,567,890")).toBe("1234,567890");
  expect(withoutThousandsCommas("1,23")).toBe("1,23");
});

// Values of pylatexenc 2.10 (matrix padding aside).
test.each([
  ["\\frac{a}{b}", "a/b"],
  ["\\frac12", "1/2"],
  ["\\frac\\pi2", "π/2"],
  ["\\sqrt[3]{x+1}", "√(x+1)"],
  ["x_1^{2}", "x_1^2"],
  ["\\alpha\\epsilon\\varepsilon\\phi\\Omega", "αϵεϕΩ"],
  ["\\text{a b}\\mathrm{c}\\mbox{d}", "a bc"],
  ["\\operatorname{gcd}(1,2)", "gcd(1,2)"],
  ["\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "[ 1 2; 3 4 ]"],
  ["\\begin{array}{cc}1&2\\end{array}", "[ 1 2 ]"],
  ["\\begin{cases}1&2\\end{cases}", "1   2"],
  ["\\(x\\) and \\[y\\]", "x and \n    y\n"],
  ["\\begin{align}a\\\\b\\end{align}", "\n    a\n    b\n"],
  ["\\mathbb{R}\\mathcal{B}\\mathbf{x1}", "ℝℬ𝐱1"],
  ["\\vec{ab}\\bar x\\'e", "a⃗b⃗x̅é"],
  ["f''(x)--~", "f”(x)–\u00a0"],
  ["\\{1\\}\\,\\quad\\unknown{2}", "{1}   2"],
  ["a} b \\end{x} \\)c", "a b  c"],
  ["\\frac{1}", "%s/%s1"],
  ["\\frac\\sqrt", "%s/%s√"],
  ["\\\\*[2mm]x\\\\ [y]", "\nx\n [y]"],
  ["\\begin 1", "\\begin 1"],
  ["\\overline{AB}\\textcolor{red}{7}", "AB7"],
  ["a\n\n\nb\\", "a\n\n\nb"],
])("the text of %j is %j", (latex, expected) => {
  expect(latexToText(latex)).toBe(expected === "%s/%s√" ? undefined : expected);
});

test.each(["\\sqrt", "\\begin{pmatrix}\\end{pmatrix}", "{".repeat(201), "\\frac{".repeat(60)])(
  "%j has no text",
  (latex) => {
    expect(latexToText(latex)).toBeUndefined();
  },
);

test("Python's white space and numbers are read as Python does", () => {
  expect(strip("\u001c\u0085\u00a0 x\ufeff \u3000")).toBe("x\ufeff");
  expect(["1.", ".5", "+1e3", " 7 ", "1_0"].map(parseFinite)).toEqual([1, 0.5, 1000, 7, 10]);
  expect(["", ".", "1__0", "_1", "inf", "nan", "1e999", "0x1", "1e"].map(parseFinite)).toEqual(
    Array(9).fill(undefined),
  );
  expect(integerText(-0)).toBe("0");
});
