import { averagedAsPublished, nine, nineBenchmarks, overallAverage, paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";
import { table1Row } from "./table1.ts";

/** η of PAPO_G on the 7B model at γ = 0.02; the group averages are not printed. */
export const paperTable11: PaperTable = {
  source: `${paper}, Table 11`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    table1Row({ label: "GRPO", size: "7B" }, { label: "GRPO" }),
    { label: "η = 0.01", size: "7B", remark: "collapsed", printed: { ...nine(39.95, 62.03, 65.19, 69.71, 62.72, 44.30, 92.50, 38.01, 59.77), ...overallAverage(59.35) } },
    { label: "η = 0.03", size: "7B", printed: { ...nine(40.00, 68.09, 67.59, 72.43, 68.28, 46.46, 89.94, 35.85, 61.17), ...overallAverage(61.09) } },
    table1Row({ label: "PAPO_G", size: "7B" }, { label: "η = 0.05" }),
  ],
};
