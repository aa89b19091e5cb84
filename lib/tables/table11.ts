import { accuracyTable } from "./accuracy-table.ts";
import { paperTable11 } from "./paper/table11.ts";
import { miniLargeGamma, miniRuns, paperRuns, row } from "./runs.ts";

/** The weight of both entropy terms. */
export const table11 = accuracyTable({
  name: "table11",
  title: "Weight η of the entropy terms",
  reference: "Table 11",
  paper: paperTable11,
  columns: { benchmarks: true, averages: false, gains: false, overall: true },
  runs: {
    paper: [
      row(paperRuns.grpo("7B"), "GRPO"),
      ...["0.01", "0.03"].map((eta) => row(paperRuns.papoGEta("7B", eta), `η = ${eta}`)),
      row(paperRuns.papoG("7B"), "η = 0.05"),
    ],
    mini: [
      row(miniRuns.grpo, "GRPO"),
      ...["0.01", "0.03", "0.05"].map((eta) => row(miniRuns.papoGEta(eta), `η = ${eta}`)),
    ],
  },
  notes: [
    `PAPO_G at γ = 0.02 (in the miniature ${miniLargeGamma}, with the gradient through the masked branch).`,
    "η of the original picture; on the masked one it has no gradient in the published code, and is 0 here but in the published recipe.",
  ],
});
