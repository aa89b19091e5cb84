import { accuracyTable } from "./accuracy-table.ts";
import { paperTable13 } from "./paper/table13.ts";
import { paperRuns, row } from "./runs.ts";

const sizes = ["3B", "7B"] as const;

/** Whether text questions suffer: each comes with a picture of pure noise. */
export const table13 = accuracyTable({
  name: "table13",
  title: "MMLU-Pro with a picture of noise",
  reference: "Table 13",
  suite: "MMLU-Pro",
  paper: paperTable13,
  columns: { benchmarks: true, averages: false, gains: false, overall: false },
  runs: {
    paper: sizes.flatMap((size) => [
      ...[row(paperRuns.untrained(size), "untrained"), row(paperRuns.grpo(size), "GRPO")],
      row(paperRuns.papoG(size), "PAPO_G"),
    ]),
    mini: [],
  },
  notes: ["Needs settings that were not published: the noise, prompt and sampling of MMLU-Pro."],
});
