import { averagedAsPublished, averages, gains, nineBenchmarks, paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";
import { table1Row } from "./table1.ts";

/** Masking strategies and ratios of PAPO_G at γ = 0.01 without entropy terms; benchmark columns are not printed. */
export const paperTable3: PaperTable = {
  source: `${paper}, Table 3`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    table1Row({ label: "GRPO", size: "3B" }, { label: "GRPO" }),
    { label: "random 0.6", size: "3B", baseline: "GRPO", printed: { ...averages(52.53, 45.17, 49.26), ...gains(1.73, 4.52, 2.97) } },
    { label: "semantic 0.6", size: "3B", baseline: "GRPO", printed: { ...averages(52.13, 43.78, 48.42), ...gains(0.34, 1.88, 1.02) } },
    { label: "random 0.4", size: "3B", baseline: "GRPO", printed: { ...averages(52.51, 44.12, 48.78), ...gains(1.55, 2.29, 1.88) } },
    { label: "random 0.8", size: "3B", baseline: "GRPO", printed: { ...averages(52.57, 44.24, 48.87), ...gains(1.49, 2.69, 2.02) } },
    { label: "random 1.0", size: "3B", baseline: "GRPO", printed: { ...averages(52.13, 43.98, 48.51), ...gains(0.71, 2.31, 1.42) } },
    table1Row({ label: "GRPO", size: "7B" }, { label: "GRPO" }),
    { label: "random 0.6", size: "7B", baseline: "GRPO", printed: { ...averages(63.56, 57.49, 60.86), ...gains(1.91, 5.37, 3.55) } },
    { label: "semantic 0.6", size: "7B", baseline: "GRPO", printed: { ...averages(63.39, 56.83, 60.47), ...gains(1.48, 3.89, 2.55) } },
  ],
};
