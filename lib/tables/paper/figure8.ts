import { paper } from "./nine.ts";

/**
 * Errors of semantic masking in 30 cases a set where random masking is right. Which row is which set, and which class
 * the numbers after the first are, the paper leaves open; the rows add up to 29, 30 and 30.
 */
export const paperFigure8 = {
  source: `${paper}, Figure 8`,
  rows: [
    { label: "first row", perception: 22, others: [2, 5] },
    { label: "second row", perception: 28, others: [2] },
    { label: "third row", perception: 23, others: [2, 2, 3] },
  ],
} as const;
