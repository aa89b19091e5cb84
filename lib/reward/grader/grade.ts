import { isIntegerText, normalizeAnswer, withoutThousandsCommas } from "./answer-normalize.ts";
import { mathNormalize } from "./math-normalize.ts";
import { parseFinite, strip } from "./python-text.ts";

/** Longest answer graded by rules; a longer one is right only when it is the truth, character by character. */
export const maxAnswerLength = 10_000;

/** Normalised elements of the truth and of the given answer that only algebra can compare, such as 7.7 and 77/10. */
export interface SymbolicPair {
  readonly truth: string;
  readonly given: string;
}

/** What string rules can say about an answer. */
export interface Verdict {
  readonly equal: boolean;
  /** When not equal: the answer is right if and only if every pair here is equal by algebra; empty when it is wrong. */
  readonly symbolic: readonly SymbolicPair[];
}

const right: Verdict = { equal: true, symbolic: [] };
const wrong: Verdict = { equal: false, symbolic: [] };

/**
 * Compares a given answer with the ground truth by the published rules: equal after mathNormalize, or after
 * normalizeAnswer; else, split at the commas of a tuple or an interval, element by element.
 * Differs: the reference goes on with sympy; here the pairs it would get are returned. Answers over maxAnswerLength are
 * compared as they are, so that the time is bounded.
 * @param given the answer out of the box
 * @param truth the ground truth
 * Source: MathRuler grader.py, grade_answer.
 */
export function gradeAnswer(given: string, truth: string): Verdict {
  if (Math.max(given.length, truth.length) > maxAnswerLength) return strip(given) === strip(truth) ? right : wrong;
  if (mathNormalize(truth) === mathNormalize(given)) return right;
  const truthText = normalizeAnswer(truth);
  const givenText = normalizeAnswer(given);
  if (truthText === givenText) return right;
  if (givenText === "") return wrong;
  return gradeElements(truthText, givenText);
}

function gradeElements(truthText: string, givenText: string): Verdict {
  const truths = splitTuple(truthText);
  const givens = splitTuple(givenText);
  if (truths.length !== givens.length) return wrong;
  const sameBrackets = truthText.at(0) === givenText.at(0) && truthText.at(-1) === givenText.at(-1);
  if (truths.length > 1 && !sameBrackets) return wrong;
  const symbolic: SymbolicPair[] = [];
  for (const [index, truth] of truths.entries()) {
    const given = givens[index] ?? "";
    const equal = gradeElement(truth, given);
    if (equal === false) return wrong;
    if (equal === "symbolic") symbolic.push({ truth, given });
  }
  return symbolic.length === 0 && truths.length > 0 ? right : { equal: false, symbolic };
}

/** Unreduced fractions are wrong, and an integer is right only as an integer: neither is left to algebra. */
function gradeElement(truth: string, given: string): boolean | "symbolic" {
  if (isFraction(truth) && isFraction(given)) return truth === given;
  if (isIntegerText(truth) !== isIntegerText(given)) return false;
  if (areDifferentAtoms(truth, given)) return false;
  if (!allowsAlgebra(`(${truth})-(${given})`)) return false;
  return truth === given && looksLikeFormula(truth) ? true : "symbolic";
}

/** Plain formula characters only. Of anything else (`145°`, `x=5`) the reference cannot say that it equals itself. */
const looksLikeFormula = (text: string) => /^[a-z0-9+*/^()._ -]+$/.test(text);

/** Elements of `(a,b)`, `[a,b)`, ... without inner brackets; the whole text otherwise; none of an empty text. */
export function splitTuple(text: string): string[] {
  const joined = withoutThousandsCommas(text);
  if (joined === "") return [];
  const tuple = /^[()[\]]([^()[\]]+)[()[\]]$/.exec(joined)?.[1];
  return tuple === undefined ? [joined] : tuple.split(",").map(strip);
}

/**
 * Two names, two numbers or one of each that differ: algebra would say so too, but settled here so that what is left
 * to it stays what it could accept. To algebra a name is the product of its letters, so `ab` may be `ba`.
 */
function areDifferentAtoms(truth: string, given: string): boolean {
  const expected = numberOf(truth);
  const difference = Math.abs(expected - numberOf(given));
  if (!Number.isNaN(difference)) return difference > 1e-9 * Math.max(1, Math.abs(expected));
  const areAtoms = [truth, given].every((text) => /^[a-z]+$/.test(text) || !Number.isNaN(numberOf(text)));
  return areAtoms && sortedLetters(truth) !== sortedLetters(given);
}

const sortedLetters = (text: string) => Array.from(text).sort().join("");

/** Value of `a` or `a/b` with plain numbers; NaN for anything else. */
function numberOf(text: string): number {
  const [top = "", bottom = "1", ...more] = text.split("/");
  return more.length > 0 ? NaN : (parseFinite(top) ?? NaN) / (parseFinite(bottom) ?? NaN);
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
