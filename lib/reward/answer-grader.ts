// The graders by name: training, evaluation and `papo grade` take theirs from here.
import { gradeAnswer } from "./grader/grade.ts";
import type { GraderName } from "./grader-names.ts";
import { SymbolicGrader } from "./symbolic/symbolic-grader.ts";

/** Says whether answers are right. */
export interface AnswerGrader {
  /** Answers taken as wrong so far because grading them ran over its limits. */
  readonly overLimit: number;
  /**
   * @param given the answer, or for the symbolic grader also a text that ends in one
   * @throws the signal's reason when aborted
   */
  grade(given: string, truth: string, signal?: AbortSignal): boolean | Promise<boolean>;
  /** Ends its threads, if it has some. */
  close(): Promise<void>;
}

export interface GraderOptions {
  readonly grader: GraderName;
  /** Longest time of one symbolic comparison. */
  readonly timeoutMs: number;
}

/** By MathRuler's rules, whose time is linear in the answer; see gradeAnswer. */
const mathruler: AnswerGrader = { overLimit: 0, grade: gradeAnswer, close: () => Promise.resolve() };

export function createGrader({ grader, timeoutMs }: GraderOptions): AnswerGrader {
  return grader === "symbolic" ? new SymbolicGrader({ timeoutMs }) : mathruler;
}
