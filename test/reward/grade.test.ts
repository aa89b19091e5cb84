import fc from "fast-check";
import { expect, test } from "vitest";
import { lastBoxed } from "../../lib/reward/grader/boxed.ts";
import { gradeAnswer, maxAnswerLength, splitTuple } from "../../lib/reward/grader/grade.ts";
import { dataRows } from "../support/data.ts";

interface Row {
  gold?: string;
  pred?: string;
  mathruler?: boolean;
  fn?: string;
  text?: string;
  response?: string;
  ground_truth?: string;
  expected?: string;
  correct?: boolean;
}

const rowsWith = (what: string, isWanted: (row: Row) => boolean) => dataRows("graders", what, isWanted) as Row[];

test("every published verdict that algebra did not decide is the same here", () => {
  const judged = rowsWith("judged pairs", (row) => row.mathruler !== undefined);
  const differing = judged.flatMap((row) => {
    const { equal, symbolic } = gradeAnswer(row.pred ?? "", row.gold ?? "");
    return equal === row.mathruler ? [] : [{ ...row, equal, symbolic }];
  });
  console.log(`${judged.length} pairs, ${differing.length} decided by algebra alone`);
  expect(differing.filter(({ equal, symbolic }) => equal || symbolic.length === 0)).toEqual([]);
});

test("the last box is what other suites expect it to be", () => {
  for (const row of rowsWith("boxes", ({ fn }) => fn === "last_boxed")) {
    expect(lastBoxed(row.text ?? ""), row.text).toBe(row.expected);
  }
});

test("reward cases that answer in a box are graded as their suites do", () => {
  const isBoxed = ({ fn, response }: Row) =>
    /geo3k_reward|trl|strict_box/.test(fn ?? "") && response?.includes("\\boxed") === true;
  for (const { response = "", ground_truth: truth = "", correct } of rowsWith("reward cases", isBoxed)) {
    const answer = lastBoxed(response);
    // strict_box asks for the box near the end, which this grader does not.
    if (correct === true) expect(gradeAnswer(answer ?? "", truth).equal, response).toBe(true);
    else if (!response.includes("filler"))
      expect(answer !== undefined && gradeAnswer(answer, truth).equal, response).toBe(false);
  }
});

test("a ground truth equals itself, boxed or not", () => {
  const truths = new Set(rowsWith("ground truths", ({ gold }) => gold !== undefined).map(({ gold = "" }) => gold));
  for (const truth of truths) expect(gradeAnswer(truth, truth).equal, truth).toBe(true);
});

test.each([
  ["no box", undefined],
  ["\\boxed{1", undefined],
  ["\\boxed{1} then \\boxed{2", undefined],
  ["\\boxed{a} and \\boxed{ b }.", "b"],
  ["\\boxed{\\frac{1}{2}} }", "\\frac{1}{2}"],
  ["\\boxed {1}", undefined],
  ["\\boxed{\\boxed{3}}", "3"],
  ["\\boxed{}", ""],
])("the last box of %j is %j", (text, expected) => {
  expect(lastBoxed(text)).toBe(expected);
});

test.each([
  // MATH-style strings
  ["0.5", "\\frac{1}{2}"],
  ["3/4", "\\frac34"],
  ["x=5", "5"],
  ["\\text{B}", "B"],
  [".25", "0.25"],
  ["90^\\circ", "90"],
  ["12\\text{ cm}", "12"],
  ["\\sqrt3", "\\sqrt{3}"],
  // prm800k-style strings
  ["1,234", "1234"],
  ["10 cm^2", "10"],
  ["5.0", "5"],
  ["\\$20", "20"],
  ["3 million", "3*10^6"],
  ["7 \\frac{3}{4}", "7+3/4"],
  ["YES", "yes"],
  ["2\\pi", "2π".replace("π", "pi")],
  ["x \\times y", "x*y"],
  // tuples, element by element
  ["(1,\t2)", "(1,2)"],
  ["(12,345)", "(12345)"],
  // brackets around a formula
  ["[x+1/2]", "x+1/2"],
])("%j is the answer %j", (given, truth) => {
  expect(gradeAnswer(given, truth)).toEqual({ equal: true, symbolic: [] });
});

test.each([
  // an unreduced fraction, an integer against something else, brackets, counts, nothing, too many letters, exponents
  ["2/4", "1/2"],
  ["5", "5.5"],
  ["7.7", "77/9"],
  ["B", "A"],
  ["x", "2.5"],
  ["ab", "aa"],
  ["2.5", "2.51"],
  ["6", "2*3"],
  ["(1,2]", "(1,3)"],
  ["(1,2)", "(1,2,3)"],
  ["", "1"],
  ["\\text{day}", "1"],
  ["1", ""],
  ["abc", "acb"],
  ["x^{2}y", "x^2z"],
  ["2^10", "1023.5"],
  ["(1, abc)", "(1, bca)"],
])("%j is not the answer %j, and algebra is not asked", (given, truth) => {
  expect(gradeAnswer(given, truth)).toEqual({ equal: false, symbolic: [] });
});

test.each([
  ["77/10", "7.7", [{ truth: "7.7", given: "77/10" }]],
  ["x+1", "1+x", [{ truth: "1+x", given: "x+1" }]],
  ["$(1,4.5)$", "$(1,\\frac{9}{2})$", [{ truth: "9/2", given: "4.5" }]],
  ["2.50", "2.5", [{ truth: "2.5", given: "2.50" }]],
  // a product of the same letters: ab - ba = 0
  ["AB", "BA", [{ truth: "ba", given: "ab" }]],
  ["aab", "aba", [{ truth: "aba", given: "aab" }]],
  // equal once their brackets are gone, but no formula: the reference finds them different
  ["[145°]", "145°", [{ truth: "145°", given: "145°" }]],
  ["\\begin{pmatrix}x=128", "x=128", [{ truth: "x=128", given: "x=128" }]],
])("whether %j is the answer %j is left to algebra", (given, truth, symbolic) => {
  expect(gradeAnswer(given, truth)).toEqual({ equal: false, symbolic });
});

test("a tuple with one wrong element is wrong without asking algebra about the others", () => {
  expect(gradeAnswer("(4.5, 2)", "(9/2, 3.5)")).toEqual({ equal: false, symbolic: [] });
});

test("only texts without inner brackets are split into elements", () => {
  expect(splitTuple("(1,2]")).toEqual(["1", "2"]);
  expect(splitTuple("(1,(2))")).toEqual(["(1,(2))"]);
  expect(splitTuple("1,2")).toEqual(["1,2"]);
  expect(splitTuple("(1,234,5)")).toEqual(["1234", "5"]);
  expect(splitTuple("")).toEqual([]);
});

test("an answer over the length limit is right only as it stands", () => {
  const long = "1".repeat(maxAnswerLength + 1);
  expect(gradeAnswer(` ${long} `, long).equal).toBe(true);
  expect(gradeAnswer(`${long}.0`, long)).toEqual({ equal: false, symbolic: [] });
});

test("no answer makes grading throw, and every answer equals itself", () => {
  const pieces = [
    "\\frac",
    "\\sqrt",
    "{",
    "}",
    "[",
    "]",
    "\\text{ ",
    "\\\\",
    "&",
    "\\begin{pmatrix}",
    "\\end{pmatrix}",
  ];
  const more = [
    "\\(",
    "\\]",
    "1,234",
    "\u001c1",
    "١",
    ".",
    "=",
    "/",
    "^",
    "𝒜",
    "\\",
    "\n",
    "1e999",
    "\\pi",
    "\\vec",
    " ",
  ];
  const answer = fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(answer, answer, (given, truth) => {
      gradeAnswer(given, truth);
      return gradeAnswer(given, given).equal;
    }),
    { numRuns: 2000 },
  );
});
