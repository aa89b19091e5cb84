import { averagedAsPublished, averages, gains, nineBenchmarks, paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";
import { table1Row } from "./table1.ts";

/** Without the KL to the reference; PAPO_G at γ = 0.01 with η = 0.03. */
export const paperTable8: PaperTable = {
  source: `${paper}, Table 8`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    table1Row({ label: "GRPO", size: "3B" }, { label: "GRPO" }),
    { label: "GRPO, no reference KL", size: "3B", baseline: "GRPO", printed: { ...averages(53.96, 45.46, 50.18), ...gains(4.75, 5.37, 5.03) } },
    { label: "PAPO_G, no reference KL", size: "3B", baseline: "GRPO", printed: { ...averages(56.21, 49.33, 53.15), ...gains(9.26, 13.60, 11.19) } },
    table1Row({ label: "GRPO", size: "7B" }, { label: "GRPO" }),
    { label: "GRPO, no reference KL", size: "7B", baseline: "GRPO", printed: { ...averages(63.99, 57.94, 61.30), ...gains(2.05, 5.36, 3.53) } },
    { label: "PAPO_G, no reference KL", size: "7B", baseline: "GRPO", printed: { ...averages(63.31, 59.18, 61.47), ...gains(1.15, 7.54, 3.99) } },
  ],
};
