import { lastBoxed } from "./grader/boxed.ts";
import { gradeAnswer, type SymbolicPair } from "./grader/grade.ts";

/** How the answer of a response compares with the ground truth. */
export interface Accuracy {
  /** 1 when right, else 0. */
  readonly accuracy: number;
  /** The response has no complete `\boxed{}`. */
  readonly unboxed: boolean;
  /** What only algebra could still make right (then accuracy is 0); see Verdict. */
  readonly symbolic: readonly SymbolicPair[];
}

/**
 * Grades the last boxed answer of a response.
 * Differs: a response without a box is wrong, whatever the ground truth.
 * @param missingBox what a missing box is graded as: the published code's "None" equals a ground truth "None"
 * Source: EasyR1 reward_function/math.py, accuracy_reward.
 */
export function gradeResponse(response: string, answer: string, missingBox?: string): Accuracy {
  const boxed = lastBoxed(response);
  const unboxed = boxed === undefined;
  const given = boxed ?? missingBox;
  if (given === undefined) return { accuracy: 0, unboxed, symbolic: [] };
  const { equal, symbolic } = gradeAnswer(given, answer);
  return { accuracy: equal ? 1 : 0, unboxed, symbolic };
}
