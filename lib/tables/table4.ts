import { accuracyTable } from "./accuracy-table.ts";
import { paperTable4 } from "./paper/table4.ts";
import { miniGammas, miniLargeGamma, miniRuns, paperRuns, row } from "./runs.ts";

const gammas = ["0.005", "0.01", "0.02", "0.04"];

/** The weight of the perception loss, to the point of collapse. */
export const table4 = accuracyTable({
  name: "table4",
  title: "Weight γ of the perception loss",
  reference: "Table 4",
  paper: paperTable4,
  columns: { benchmarks: false, averages: true, gains: true, overall: true },
  runs: {
    paper: [
      row(paperRuns.grpo("3B"), "GRPO"),
      ...gammas.map((value) => row(paperRuns.papoGGamma("3B", value), `γ = ${value}`, "GRPO")),
    ],
    mini: [
      row(miniRuns.grpo, "GRPO"),
      ...miniGammas.map((value) => row(miniRuns.papoGGamma(value), `γ = ${value}`, "GRPO")),
      row(miniRuns.papoGCollapsed, `γ = ${miniLargeGamma}, gradient of both branches`, "GRPO"),
    ],
  },
  notes: ["PAPO_G without entropy terms, masks at random with ratio 0.6."],
});
