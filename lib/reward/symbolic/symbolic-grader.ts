import { ComparisonPool } from "./comparison-pool.ts";
import { extractAnswer } from "./extract-answer.ts";
import { compareTexts } from "./symbolic-text.ts";
import type { AnswerGrader } from "../answer-grader.ts";

/** Longest answer that is read as a formula. */
const maxAnswerLength = 10_000;

/**
 * Grades by meaning: numbers, units, percentages, letters, tuples, sets, intervals, relations, matrices and formulas
 * that are equal are right, however they are written. Answers that only spelling sets apart are settled at once, others
 * on threads with a limit of time and memory; what runs over it counts as wrong.
 */
export class SymbolicGrader implements AnswerGrader {
  overLimit = 0;
  private readonly pool: ComparisonPool;

  constructor({ timeoutMs }: { timeoutMs: number }) {
    this.pool = new ComparisonPool(timeoutMs);
  }

  async grade(given: string, truth: string, signal?: AbortSignal): Promise<boolean> {
    const comparison = { truth: extractAnswer(truth), given: extractAnswer(given) };
    if (Math.max(comparison.truth.length, comparison.given.length) > maxAnswerLength)
      return comparison.truth === comparison.given;
    const verdict = compareTexts(comparison.truth, comparison.given);
    if (verdict !== undefined) return verdict;
    const equal = await this.pool.compare(comparison, signal);
    if (equal === undefined) this.overLimit += 1;
    return equal ?? false;
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}
