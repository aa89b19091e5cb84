// What a thread of ComparisonPool runs.
import { TooMuchWork } from "../algebra/expression.ts";
import { compareAnswers } from "./compare.ts";

/** Extracted answers. */
export interface Comparison {
  readonly truth: string;
  readonly given: string;
}

/** Undefined when it takes too many operations or too deep a stack; errors would lose their class between threads. */
export default function compare({ truth, given }: Comparison): boolean | undefined {
  try {
    return compareAnswers(truth, given);
  } catch (error) {
    if (error instanceof TooMuchWork || error instanceof RangeError) return undefined;
    throw error;
  }
}
