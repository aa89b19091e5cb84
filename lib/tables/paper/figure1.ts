import type { ErrorClass } from "../results.ts";
import { paper } from "./nine.ts";

/**
 * 200 wrong answers of GRPO 3B on Geo3k, MMK12, LogicVista and MathVerse, labelled by hand, and what PAPO_G left of
 * them. Of calculation the paper prints 8 fixed and 3 left, which are not the 10 of GRPO.
 */
export const paperFigure1 = {
  source: `${paper}, Figure 1`,
  counts: {
    GRPO: { perception: 134, reasoning: 49, calculation: 10, inconsistency: 7 },
    PAPO_G: { perception: 73, reasoning: 18, calculation: 3, inconsistency: 0 },
  } satisfies Record<string, Partial<Record<ErrorClass, number>>>,
  /** Of the errors above, as printed. */
  fixed: { perception: 61, reasoning: 31, calculation: 8, inconsistency: 7 },
  /** Share of wrong answers of all, %. */
  errorRate: { GRPO: 59.15, PAPO_G: 56.03 },
} as const;
