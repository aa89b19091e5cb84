import { accuracyTable } from "./accuracy-table.ts";
import { paperTable5 } from "./paper/table5.ts";
import { miniLargeGamma, miniRuns, paperRuns, row } from "./runs.ts";

/** What keeps a large γ from collapsing. */
export const table5 = accuracyTable({
  name: "table5",
  title: "Regularisation at a large γ",
  reference: "Table 5",
  paper: paperTable5,
  columns: { benchmarks: false, averages: true, gains: true, overall: true },
  runs: {
    paper: [
      row(paperRuns.grpo("7B"), "GRPO"),
      row(paperRuns.papoGLargerBeta("7B"), "larger β", "GRPO"),
      row(paperRuns.papoG("7B"), "single entropy (original)", "GRPO"),
      row(paperRuns.papoG("7B"), "double entropy", "GRPO"),
      row(paperRuns.papoGRecompute("7B"), "double entropy with gradient", "GRPO"),
    ],
    mini: [
      row(miniRuns.grpo, "GRPO"),
      row(miniRuns.papoGLargerBeta(), "larger β", "GRPO"),
      row(miniRuns.papoGEta("0.05"), "single entropy (original)", "GRPO"),
      row(miniRuns.papoGDoubleEntropy(), "double entropy with gradient", "GRPO"),
    ],
  },
  notes: [
    `PAPO_G at γ = 0.02 (in the miniature ${miniLargeGamma}), η = 0.05.`,
    "In the published code the masked entropy has no gradient: single and double entropy are one training, ours is shown for both. The row with gradient is papo's (aug.grad: recompute).",
    "The larger β is not published; in the miniature it is 0.05, five times the usual. All have the gradient through the masked branch there, without which none collapses.",
  ],
});
