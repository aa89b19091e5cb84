import { averagedAsPublished, averages, gains, nineBenchmarks, paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";
import { table1Row } from "./table1.ts";

/** γ of PAPO_G on the 3B model without entropy terms. */
export const paperTable4: PaperTable = {
  source: `${paper}, Table 4`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    table1Row({ label: "GRPO", size: "3B" }, { label: "GRPO" }),
    { label: "γ = 0.005", size: "3B", baseline: "GRPO", printed: { ...averages(52.40, 43.73, 48.55), ...gains(1.19, 1.92, 1.51) } },
    { label: "γ = 0.01", size: "3B", baseline: "GRPO", printed: { ...averages(52.53, 45.17, 49.26), ...gains(1.73, 4.52, 2.97) } },
    table1Row({ label: "PAPO_G", size: "3B" }, { label: "γ = 0.02" }),
    { label: "γ = 0.04", size: "3B", baseline: "GRPO", remark: "collapsed", printed: { ...averages(31.24, 38.31, 34.38), ...gains(-43.15, -14.09, -28.46) } },
  ],
};
