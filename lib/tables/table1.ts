import { accuracyTable } from "./accuracy-table.ts";
import { paperTable1 } from "./paper/table1.ts";
import { miniRuns, paperRuns, row } from "./runs.ts";

const sizes = ["3B", "7B"] as const;

/** Main results: GRPO and DAPO with and without PAPO. */
export const table1 = accuracyTable({
  name: "table1",
  title: "Main results",
  reference: "Table 1",
  paper: paperTable1,
  columns: { benchmarks: true, averages: true, gains: true, overall: true },
  runs: {
    paper: [
      ...sizes.flatMap((size) => [row(paperRuns.grpo(size), "GRPO"), row(paperRuns.papoG(size), "PAPO_G", "GRPO")]),
      ...sizes.flatMap((size) => [row(paperRuns.dapo(size), "DAPO"), row(paperRuns.papoD(size), "PAPO_D", "DAPO")]),
      ...[row(paperRuns.qwen3("grpo"), "GRPO"), row(paperRuns.qwen3("papo_g"), "PAPO_G", "GRPO")],
    ],
    mini: [
      ...[row(miniRuns.grpo, "GRPO"), row(miniRuns.papoG, "PAPO_G", "GRPO")],
      ...[row(miniRuns.dapo, "DAPO"), row(miniRuns.papoD, "PAPO_D", "DAPO")],
    ],
  },
  notes: [
    "The published script of GRPO 7B loads PAPO's settings (γ = 0.01); here it is GRPO.",
    "The paper prints the gain of the averages as Δ for Qwen3-VL-2B, and the mean of the columns' gains elsewhere.",
  ],
});
