// What can be said about two answers without reading them as formulas: the cheap part of the symbolic grader.
import { areEqualRationals, parseRational, type Rational } from "../algebra/exact.ts";
import { isProse, searchedTail, trimEnd } from "./extract-answer.ts";

const marks = ".,;:\\";

/**
 * An answer without what only typesetting sees: spaces, `\left`, `\dfrac` for `\frac`, `\text{}` around a word, marks
 * at its end.
 */
function canonicalText(answer: string): string {
  const text = answer
    .replace(/\\(?:left|right|displaystyle|,|!|;|:|quad|qquad)(?![a-zA-Z])/gu, "")
    .replace(/\\[dt]frac/gu, "\\frac")
    .replace(/\\(?:text|textbf|mathrm|mathbf|mbox)\{([\p{L}\s]*)\}/gu, "$1")
    .replace(/[\s$~]+/gu, "");
  return trimEnd(trimEnd(text, marks).replace(/(?:(?<=\d)°|[°.]\\?%)$/u, ""), marks);
}

/** The letter of a multiple-choice answer: `B`, `(B)`, `B.`, `(B) Paris`, `B Paris`. */
export function choiceLetter(answer: string): string | undefined {
  const text = answer.replace(/\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}/gu, "$1").trim();
  return /^\(?([A-J])(?:[).:]|$)/u.exec(text)?.[1] ?? /^([A-J])\s+\p{L}{2,}/u.exec(text)?.[1];
}

/** Letters of a multiple choice with several right ones, `A, C`, `AC`, in order; undefined of anything else. */
function chosenLetters(text: string): string | undefined {
  const letters = /^[A-J](?:(?:,|and|or)*[A-J]){1,9}$/u.test(text) ? text.match(/[A-J]/gu) : null;
  return letters?.sort().join("");
}

/** The letter that prose chooses: the first one behind its last "answer" that ends a phrase. */
export function letterInProse(text: string): string | undefined {
  const behind =
    text
      .slice(-searchedTail)
      .split(/answer/iu)
      .at(-1) ?? "";
  return /^[^.\n]{0,50}?(?<![\p{L}'])\(?([A-J])\)?\**(?=[.,:;]|\s*$)/u.exec(behind)?.[1];
}

/**
 * Compares extracted answers where that is plain.
 * @returns undefined where they have to be read as formulas
 */
export function compareTexts(truth: string, given: string): boolean | undefined {
  const [a, b] = [canonicalText(truth), canonicalText(given)];
  if (b === "") return a === "";
  if (a === b) return true;
  const [numberA, numberB] = [plainNumber(a), plainNumber(b)];
  if (numberA && numberB) return areEqualRationals(numberA, numberB);
  const choices = chosenLetters(a);
  if (choices !== undefined) return chosenLetters(b) === choices;
  const letter = choiceLetter(truth);
  if (letter !== undefined) return (choiceLetter(given) ?? letterInProse(given)) === letter;
  if (isProse(truth) || isProse(given)) return a.toLowerCase() === b.toLowerCase();
  return undefined;
}

function plainNumber(text: string): Rational | undefined {
  const digits = /^(-?)(\d+(?:\.\d*)?|\.\d+)$/u.exec(text);
  const value = digits === null ? undefined : parseRational((digits[2] ?? "").replace(/\.$/u, ""));
  return value && digits?.[1] === "-" ? { ...value, top: -value.top } : value;
}
