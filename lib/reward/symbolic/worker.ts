// What a thread of ComparisonPool runs.
import { TooMuchWork } from "../algebra/expression.ts";
import { compareAnswers } from "./compare.ts";

/** Extracted answers. */
export interface Comparison {
  readonly truth: string;
  readonly given: string;
}

/** What is sent to a thread. */
export interface ComparisonTask extends Comparison {
  /** One number in shared memory, set to 1 when the thread begins: from then on its time counts. */
  readonly begun: Int32Array;
}

/** Undefined when it takes too many operations or too deep a stack; errors would lose their class between threads. */
export default function compare({ truth, given, begun }: ComparisonTask): boolean | undefined {
  Atomics.store(begun, 0, 1);
  Atomics.notify(begun, 0);
  try {
    return compareAnswers(truth, given);
  } catch (error) {
    if (error instanceof TooMuchWork || error instanceof RangeError) return undefined;
    throw error;
  }
}
