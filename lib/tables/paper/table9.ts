import { paper } from "./nine.ts";

/** Entropy of response-to-image attention over the log of the number of image tokens; 100 samples a benchmark. */
export const paperTable9 = {
  source: `${paper}, Table 9`,
  benchmarks: ["Geo3k", "Counting"],
  /** Mean and median by benchmark, in order. */
  // prettier-ignore
  rows: [
    { label: "random", size: "3B", values: [0.9520, 0.9522, 0.9351, 0.9362] },
    { label: "semantic", size: "3B", values: [0.9522, 0.9517, 0.9331, 0.9342] },
    { label: "random", size: "7B", values: [0.9457, 0.9472, 0.9525, 0.9530] },
    { label: "semantic", size: "7B", values: [0.9401, 0.9403, 0.9513, 0.9512] },
  ],
} as const;
