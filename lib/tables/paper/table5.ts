import { averagedAsPublished, averages, gains, nineBenchmarks, paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";
import { table1Row } from "./table1.ts";

/** Regularisation of PAPO_G on the 7B model at γ = 0.02. */
export const paperTable5: PaperTable = {
  source: `${paper}, Table 5`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    table1Row({ label: "GRPO", size: "7B" }, { label: "GRPO" }),
    { label: "larger β", size: "7B", baseline: "GRPO", printed: { ...averages(63.14, 57.03, 60.42), ...gains(1.12, 3.99, 2.40) } },
    { label: "single entropy (original)", size: "7B", baseline: "GRPO", printed: { ...averages(63.34, 58.36, 61.12), ...gains(1.53, 5.96, 3.50) } },
    table1Row({ label: "PAPO_G", size: "7B" }, { label: "double entropy" }),
  ],
};
