// The symbolic comparison of two texts with answers: what a worker runs. See symbolic-grader.ts for what comes first.
import { type Expression, UnreadableFormula } from "../algebra/expression.ts";
import { parseLatex } from "../algebra/parse-latex.ts";
import { areEqualAnswers } from "./equal-answers.ts";
import { trimEnd } from "./extract-answer.ts";

/**
 * Whether two extracted answers are equal in any of their readings; false where one cannot be read.
 * @throws {TooMuchWork} when a value takes more operations than a grading may
 */
export function compareAnswers(truth: string, given: string): boolean {
  const truths = readings(truth);
  const givens = truths.length === 0 ? [] : readings(given);
  return truths.some((a) => givens.some((b) => isEqual(a, b)));
}

function isEqual(truth: Expression, given: Expression): boolean {
  try {
    return areEqualAnswers(truth, given);
  } catch (error) {
    if (error instanceof UnreadableFormula) return false;
    throw error;
  }
}

/** `1,234` and `1 234` may be a number or two, `0,5` a half or two numbers. */
function readings(answer: string): Expression[] {
  const text = trimEnd(answer, ".,;:\\");
  const grouped = text.replace(/(?<![\d.,([{ ])\d{1,3}(?:[, ]\d{3})+(?![\d,])/gu, (digits) =>
    digits.replace(/[, ]/gu, ""),
  );
  const decimal = text.replace(/^(-?\d+),(\d+)$/u, "$1.$2");
  return [...new Set([text, grouped, decimal])].flatMap((reading) => {
    try {
      return [parseLatex(reading)];
    } catch (error) {
      if (error instanceof UnreadableFormula) return [];
      throw error;
    }
  });
}
