import { accuracyTable } from "./accuracy-table.ts";
import { paperTable8 } from "./paper/table8.ts";
import { miniGamma, miniRuns, paperRuns, row } from "./runs.ts";

const sizes = ["3B", "7B"] as const;
const labels = { grpo: "GRPO, no reference KL", papoG: "PAPO_G, no reference KL" };

/** Training without the KL to the reference model. */
export const table8 = accuracyTable({
  name: "table8",
  title: "Without the KL to the reference",
  reference: "Table 8",
  paper: paperTable8,
  columns: { benchmarks: false, averages: true, gains: true, overall: true },
  runs: {
    paper: sizes.flatMap((size) => [
      row(paperRuns.grpo(size), "GRPO"),
      row(paperRuns.grpoNoReference(size), labels.grpo, "GRPO"),
      row(paperRuns.papoGNoReference(size), labels.papoG, "GRPO"),
    ]),
    mini: [
      row(miniRuns.grpo, "GRPO"),
      row(miniRuns.grpoNoReference, labels.grpo, "GRPO"),
      row(miniRuns.papoGNoReference(), labels.papoG, "GRPO"),
    ],
  },
  notes: [
    `PAPO_G at γ = 0.01 (in the miniature ${miniGamma}) with both entropy terms, η = 0.03. Some versions of the paper number this table 7.`,
  ],
});
