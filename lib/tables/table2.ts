import { accuracyTable } from "./accuracy-table.ts";
import { paperTable2 } from "./paper/table2.ts";
import { paperRuns, row } from "./runs.ts";

/** PAPO together with NoisyRollout. */
export const table2 = accuracyTable({
  name: "table2",
  title: "PAPO together with NoisyRollout",
  reference: "Table 2",
  paper: paperTable2,
  columns: { benchmarks: true, averages: false, gains: false, overall: true },
  runs: {
    paper: [
      ...[row(paperRuns.grpo("3B"), "GRPO"), row(paperRuns.noisyRollout("grpo"), "GRPO + NoisyRollout")],
      ...[row(paperRuns.papoG("3B"), "PAPO_G"), row(paperRuns.noisyRollout("papo_g"), "PAPO_G + NoisyRollout")],
    ],
    mini: [],
  },
  notes: ["Needs settings that were not published: NoisyRollout mixes in responses to distorted pictures."],
});
