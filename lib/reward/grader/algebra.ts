import { UnreadableFormula } from "../algebra/expression.ts";
import { areIdentical } from "../algebra/identity.ts";
import { parseLatex } from "../algebra/parse-latex.ts";

/**
 * Whether two normalised answers are equal as formulas: numbers, + - * / ^, brackets, sqrt, pi, and products of
 * one-letter names. What is no such formula equals nothing, itself among it.
 * Differs: the reference asks sympy whether the difference simplifies to 0; here both are computed at several points,
 * which takes bounded time.
 * Source: MathRuler grader.py, are_equal_under_sympy.
 */
export function areEqualFormulas(truth: string, given: string): boolean {
  if (!isFormula(truth) || !isFormula(given)) return false;
  try {
    return areIdentical(parseLatex(asLatex(truth)), parseLatex(asLatex(given)));
  } catch (error) {
    if (error instanceof UnreadableFormula) return false;
    throw error;
  }
}

/** Characters of a formula; of its numbers, two points in one and a 0 before an integer are errors to the reference. */
function isFormula(text: string): boolean {
  return /^[a-z0-9+*/^()._-]+$/.test(text) && !/\.\d*\.|(?<!\d)\.(?!\d)|(?<![\d.])0\d+(?![\d.])/.test(text);
}

/** Names are sqrt, pi, or products of their letters, to which no letter is a constant. */
function asLatex(formula: string): string {
  return formula.replace(/sqrt|pi|[a-z]/g, (name) => (name.length > 1 ? `\\${name} ` : `\\v${name} `));
}
