import { expect, test } from "vitest";
import { createGrader } from "../../lib/reward/answer-grader.ts";
import { ComparisonPool } from "../../lib/reward/symbolic/comparison-pool.ts";
import { extractAnswer } from "../../lib/reward/symbolic/extract-answer.ts";
import { dataFolder, dataRoot, dataRows, folderRows } from "../support/data.ts";

const options = { grader: "symbolic", timeoutMs: 20_000 } as const;

async function verdicts(pairs: readonly (readonly [given: string, truth: string])[]): Promise<boolean[]> {
  const grader = createGrader(options);
  try {
    return await Promise.all(pairs.map(async ([given, truth]) => await grader.grade(given, truth)));
  } finally {
    await grader.close();
  }
}

interface Judged {
  gold: string;
  pred: string;
  equal?: boolean;
  contested?: boolean;
  math_verify?: boolean;
}

async function agreement(rows: readonly Judged[], expected: (row: Judged) => boolean | undefined): Promise<number> {
  const given = await verdicts(rows.map(({ pred, gold }) => [pred, gold]));
  const alike = rows.filter((row, index) => expected(row) === given[index]).length;
  console.log(`${rows.length} pairs, ${((100 * alike) / rows.length).toFixed(2)} % alike`);
  return alike / rows.length;
}

test("at least 95 % of the pairs out of other suites are graded as those expect", async () => {
  if (dataFolder(".") === undefined) return;
  const rows = folderRows(dataRoot).flatMap(({ row }) => ("equal" in row ? [row as unknown as Judged] : []));
  if (rows.length === 0) return;
  const settled = rows.filter(({ contested }) => contested !== true);
  expect(await agreement(settled, ({ equal }) => equal)).toBeGreaterThanOrEqual(0.95);
});

test("at least 93 % of Math-Verify's verdicts are the same here", async () => {
  const rows = dataRows("graders", "judged pairs", (row) => "math_verify" in row) as unknown as Judged[];
  if (rows.length === 0) return;
  expect(await agreement(rows, (row) => row.math_verify)).toBeGreaterThanOrEqual(0.93);
});

const right: [given: string, truth: string][] = [
  // numbers, spellings, units, percentages
  ["1{,}234.50", "1234.5"],
  ["1,234", "1234"],
  ["0,5", "0.5"],
  ["\\frac{77}{10}", "7.7"],
  ["50\\%", "\\frac12"],
  ["28 percent", "28\\%"],
  ["12\\text{ cm}^2", "12"],
  ["60 km/h", "60"],
  ["35^{\\circ}", "35"],
  ["\\$25", "25"],
  ["3 \\times 10^{4}", "30000"],
  // formulas
  ["2(x+1)", "2x+2"],
  ["\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt2}"],
  ["x = 5", "5"],
  ["f(x) = x^2 + 1", "x^2+1"],
  ["2 + 3 = 5", "5"],
  ["AB = 7", "|7|"],
  ["n \\cdot (n-1)!", "n!"],
  ["x²+√3+3½", "x^2+\\sqrt{3}+\\frac{7}{2}"],
  ["\\frac12", "\\sin\\theta=\\frac12"],
  ["**7**", "7"],
  ["2.5 m/s", "2.5"],
  // tuples, lists, sets
  ["(3, \\frac{\\pi}{2})", "\\left(3,\\tfrac{\\pi}{2}\\right)"],
  ["3, 1, 2", "1,2,3"],
  ["\\{2, 1\\}", "\\{1,2\\}"],
  ["1 \\pm \\sqrt{5}", "\\{1-\\sqrt5, 1+\\sqrt5\\}"],
  ["x=2 \\text{ or } x=3", "2, 3"],
  ["p=5,q=2", "(p,q)=(5,2)"],
  ["x_1 = -1, x_2 = 3", "x=-1 or x=3"],
  ["\\left\\{\\begin{array}{l} x=1 \\\\ y=2 \\end{array}\\right.", "(1, 2)"],
  ["\\varnothing", "\\{\\}"],
  // intervals and inequalities
  ["x > 5", "(5, \\infty)"],
  ["-2 \\le x < 3", "[-2,3)"],
  ["-x > -1", "x < 1"],
  ["x \\in [1,2]", "1 \\leq x \\leq 2"],
  ["(3,4) \\cup [1,2)", "[1,2) \\cup (3,4)"],
  ["(-\\infty,1)\\cup(1,\\infty)", "(-\\infty,\\infty) \\setminus \\{1\\}"],
  ["[1,3]", "[1,2] \\cup [2,3]"],
  ["x < -1 \\text{ or } x > 3", "(-\\infty,-1) \\cup (3,\\infty)"],
  ["x > 1 \\text{ and } x < 3", "(1,3)"],
  ["\\{x \\mid x > 2\\}", "(2,\\infty)"],
  ["\\{x | -1 \\le x < a\\}", "[-1,a)"],
  ["{x|x<-1}", "(-\\infty,-1)"],
  ["x \\neq 3", "(-\\infty,3)\\cup(3,\\infty)"],
  // equations, ratios, matrices
  ["2x + 4y = 6", "x + 2y - 3 = 0"],
  ["2:4:6", "1:2:3"],
  ["1:2", "\\frac12"],
  ["\\begin{bmatrix} 1 & \\frac{4}{2} \\end{bmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}"],
  ["\\begin{pmatrix}1&2\\end{pmatrix}+\\begin{pmatrix}3&4\\end{pmatrix}", "\\begin{pmatrix}4&6\\end{pmatrix}"],
  // choices and words
  ["(B)", "B"],
  ["\\text{B}", "B"],
  ["B. because", "B"],
  ["The answer is (B).", "B"],
  ["D", "(D) Alina"],
  ["C and A", "AC"],
  ["yes", "Yes"],
  ["A(1,2)", "(1,2)"],
  ["\\text{evelyn}", "Evelyn"],
  // texts
  ["So the answer is $\\frac{1}{2}$.", "0.5"],
  ["First $7$, then \\boxed{8}. Done.", "8"],
  ["\\boxed{2} and \\boxed{3}", "\\{2,3\\}"],
  ["There are 12 apples and 5 pears, 17 in all", "17"],
  ["The final answer is $x^2$. I hope it is correct.", "x \\cdot x"],
  ["答案是 42", "42"],
];

const wrong: [given: string, truth: string][] = [
  ["5", "6"],
  ["50\\%", "50"],
  ["5.001", "5"],
  ["0.33", "\\frac13"],
  ["2x+1", "2x+2"],
  ["-5", "5"],
  ["(2,1)", "(1,2)"],
  ["(1,2)", "(1,2]"],
  ["\\{1,2,3\\}", "\\{1,2\\}"],
  ["x < 5", "x > 5"],
  ["x \\le 5", "x < 5"],
  ["2021", "\\pm 2021"],
  ["0", "a + 3z = 0"],
  ["y = 5", "x = 5"],
  ["2x + 4y = 7", "x + 2y = 3"],
  ["1:00", "12:00"],
  ["\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}"],
  ["A", "B"],
  ["The answer is (A) or so, not B", "B"],
  ["Ann", "Bob"],
  ["", "0"],
  ["x < -1, x > 2", "(-1, 2)"],
  ["\\{x \\mid x > 2\\}", "[2,\\infty)"],
  ["A, B", "A, C"],
  ["x \\neq 3", "(3, \\infty)"],
  ["9^{9^9}", "8^{8^8}"],
  ["\\boxed{A}... no, \\boxed{C}", "A"],
];

test("answers that mean the same are right, however they are written", async () => {
  const given = await verdicts(right);
  expect(right.filter((_, index) => given[index] !== true)).toEqual([]);
});

test("answers that mean something else are wrong", async () => {
  const given = await verdicts(wrong);
  expect(wrong.filter((_, index) => given[index] !== false)).toEqual([]);
});

test.each([
  ["They cost $5 and $6, in all \\(11\\)", "11"],
  ["The roots are \\[ 3 \\] or $$4$$", "3 , 4"],
  ["Answer: 7\nbecause 7 is odd", "7"],
  ["\\\\boxed{\\\\frac{1}{2}}", "\\frac{1}{2}"],
  ["\\boxed{5}%", "5\\%"],
  ["2 x + 1", "2 x + 1"],
  ["", ""],
])("the answer in %j is %j", (text, answer) => {
  expect(extractAnswer(text)).toBe(answer);
});

const repeat = (piece: string, length: number) => piece.repeat(Math.floor(length / piece.length));
// Products of matrices grow tenfold a factor: 10^20 terms that only the clock ends.
const matrix = `\\begin{pmatrix}${`${"x&".repeat(9)}x\\\\`.repeat(10)}\\end{pmatrix}`;
const hostile = [
  "9^{9^9}",
  "\\sum_{n=1}^{10^8} n",
  "\\sum_{n=1}^{90000}\\sum_{m=1}^{90000} n m",
  `${"{".repeat(100_000)}${"}".repeat(100_000)}`,
  matrix.repeat(20),
  "(9^{64})^{64}^{64}",
  ...[
    "{",
    "(",
    "\\[",
    "\\(",
    "$",
    "\\boxed{",
    "\\boxed{1}",
    "\\frac{",
    "\\sqrt",
    "|",
    "1!",
    "-",
    "1,",
    "1 000",
    ".",
    " ",
  ],
  ...["\\begin{pmatrix}", "\\text{", "answer ", "^x", "+1", "\\pm 1", "(1,2)\\cup", "\\", "final answer is ", "1<"],
].map((piece) => (piece.length < 20 && !piece.includes("9") ? repeat(piece, 100_000) : piece));

test("no input takes more than its limit, and grading goes on", async () => {
  const grader = createGrader({ grader: "symbolic", timeoutMs: 3000 });
  try {
    for (const text of hostile) {
      expect(await grader.grade(text, "x^2+\\frac{1}{7}"), text.slice(0, 30)).toBe(false);
      await grader.grade(text.slice(0, 9_000), "x^2+\\frac{1}{7}");
      await grader.grade("x^2+\\frac{1}{7}", `${text.slice(0, 9_000)}7`);
    }
    expect(grader.overLimit).toBeGreaterThan(0);
    expect(await grader.grade("x \\cdot x + \\frac17", "x^2+\\frac{1}{7}")).toBe(true);
  } finally {
    await grader.close();
  }
});

test("a comparison over its time is ended, the next one gets another thread", async () => {
  const pool = new ComparisonPool(3000);
  try {
    const [late, next] = await Promise.all([
      pool.compare({ truth: matrix, given: matrix.repeat(20) }),
      pool.compare({ truth: "2x", given: "x+x" }),
    ]);
    expect([late, next]).toEqual([undefined, true]);
    expect(await pool.compare({ truth: "2x", given: "x+x+x" })).toBe(false);
  } finally {
    await pool.close();
  }
});

test("an aborted comparison throws the signal's reason", async () => {
  const pool = new ComparisonPool(60_000);
  const controller = new AbortController();
  try {
    const comparison = pool.compare({ truth: matrix, given: matrix.repeat(20) }, controller.signal);
    setTimeout(() => {
      controller.abort(new Error("enough"));
    }, 500);
    await expect(comparison).rejects.toThrow("enough");
  } finally {
    await pool.close();
  }
});
