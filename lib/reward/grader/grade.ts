import { isIntegerText, normalizeAnswer, withoutThousandsCommas } from "./answer-normalize.ts";
import { areEqualFormulas } from "./algebra.ts";
import { mathNormalize } from "./math-normalize.ts";
import { strip } from "./python-text.ts";

/** Longest answer graded by rules; a longer one is right only when it is the truth, character by character. */
export const maxAnswerLength = 10_000;

/**
 * Compares a given answer with the ground truth by the published rules: equal after mathNormalize, or after
 * normalizeAnswer; else, split at the commas of a tuple or an interval, element by element, as formulas where those are
 * allowed.
 * Differs: answers over maxAnswerLength are compared as they are, so that the time is bounded.
 * @param given the answer out of the box
 * @param truth the ground truth
 * Source: MathRuler grader.py, grade_answer.
 */
export function gradeAnswer(given: string, truth: string): boolean {
  if (Math.max(given.length, truth.length) > maxAnswerLength) return strip(given) === strip(truth);
  if (mathNormalize(truth) === mathNormalize(given)) return true;
  const truthText = normalizeAnswer(truth);
  const givenText = normalizeAnswer(given);
  if (truthText === givenText) return true;
  return givenText !== "" && gradeElements(truthText, givenText);
}

function gradeElements(truthText: string, givenText: string): boolean {
  const truths = splitTuple(truthText);
  const givens = splitTuple(givenText);
  if (truths.length !== givens.length) return false;
  const sameBrackets = truthText.at(0) === givenText.at(0) && truthText.at(-1) === givenText.at(-1);
  if (truths.length > 1 && !sameBrackets) return false;
  return truths.length > 0 && truths.every((truth, index) => gradeElement(truth, givens[index] ?? ""));
}

/** Unreduced fractions are wrong, and an integer is right only as an integer: neither is left to algebra. */
function gradeElement(truth: string, given: string): boolean {
  if (isFraction(truth) && isFraction(given)) return truth === given;
  if (isIntegerText(truth) !== isIntegerText(given)) return false;
  return allowsAlgebra(`(${truth})-(${given})`) && areEqualFormulas(truth, given);
}

/** Elements of `(a,b)`, `[a,b)`, ... without inner brackets; the whole text otherwise; none of an empty text. */
export function splitTuple(text: string): string[] {
  const joined = withoutThousandsCommas(text);
  if (joined === "") return [];
  const tuple = /^[()[\]]([^()[\]]+)[()[\]]$/.exec(joined)?.[1];
  return tuple === undefined ? [joined] : tuple.split(",").map(strip);
}

/** One character of any kind is let through after each number (`3./4`), as published. */
function isFraction(text: string): boolean {
  return /^-?[0-9]+[^\n]?\/0*[1-9][0-9]*[^\n]?\n?$/u.test(text);
}

/** At most two different letters and no exponent that could blow up. */
function allowsAlgebra(difference: string): boolean {
  if (/\^[{(]|\^[0-9]+\^|\^[0-9][0-9]/.test(difference)) return false;
  const letters = difference.replaceAll("sqrt", "").replaceAll("frac", "").match(/\p{L}/gu);
  return new Set(letters).size <= 2;
}
