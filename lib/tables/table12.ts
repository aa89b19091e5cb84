import { accuracyTable } from "./accuracy-table.ts";
import { paperTable12 } from "./paper/table12.ts";
import { paperRuns, row } from "./runs.ts";

const sizes = ["3B", "7B"] as const;

/** Reading text in pictures, which training on mathematics does not aim at. */
export const table12 = accuracyTable({
  name: "table12",
  title: "OCRBench-v2",
  reference: "Table 12",
  suite: "OCRBench-v2",
  paper: paperTable12,
  columns: { benchmarks: true, averages: false, gains: false, overall: false },
  runs: {
    paper: sizes.flatMap((size) => [
      ...[row(paperRuns.untrained(size), "untrained"), row(paperRuns.grpo(size), "GRPO")],
      row(paperRuns.papoG(size), "PAPO_G"),
    ]),
    mini: [],
  },
  notes: ["Needs settings that were not published: prompt, sampling and scoring of OCRBench-v2."],
});
