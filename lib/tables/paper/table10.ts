import { averagedAsPublished, averages, gains, nineBenchmarks, paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";
import { table1Row } from "./table1.ts";

/** DAPO with an entropy term alone (η = 0.03), 7B. */
export const paperTable10: PaperTable = {
  source: `${paper}, Table 10`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    table1Row({ label: "DAPO", size: "7B" }, { label: "DAPO" }),
    { label: "DAPO + entropy loss", size: "7B", baseline: "DAPO", printed: { ...averages(64.77, 59.14, 62.27), ...gains(13.52, 17.73, 15.86) } },
    table1Row({ label: "PAPO_D", size: "7B" }, { label: "PAPO_D" }),
  ],
};
