import { averagedAsPublished, nine, nineBenchmarks, overallAverage, paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";
import { table1Row } from "./table1.ts";

/** With NoisyRollout; the group averages are not printed. */
export const paperTable2: PaperTable = {
  source: `${paper}, Table 2`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    table1Row({ label: "GRPO", size: "3B" }, { label: "GRPO" }),
    { label: "GRPO + NoisyRollout", size: "3B", printed: { ...nine(28.49, 61.34, 58.58, 66.78, 61.34, 37.47, 61.44, 28.79, 51.30), ...overallAverage(50.61) } },
    table1Row({ label: "PAPO_G", size: "3B" }, { label: "PAPO_G" }),
    { label: "PAPO_G + NoisyRollout", size: "3B", printed: { ...nine(30.66, 58.83, 60.60, 66.95, 56.21, 39.51, 71.38, 29.47, 53.36), ...overallAverage(51.89) } },
  ],
};
