import { accuracyReward, curveFigure } from "./curve-figure.ts";
import { paperFigure10 } from "./paper/curves.ts";
import { gammaOverride, miniGamma, miniLargeGamma, miniRuns, noEntropyOverrides, paperRuns, row } from "./runs.ts";

/** γ without the KL to the reference. */
export const figure10 = curveFigure({
  name: "figure10",
  title: "γ without the KL to the reference",
  reference: "Figure 10",
  paper: paperFigure10,
  panelColumns: 1,
  panels: {
    paper: [
      {
        ...accuracyReward,
        title: "no reference KL, 7B",
        runs: [
          row(paperRuns.papoGNoReferenceWith("7B", "no-entropy", noEntropyOverrides), "γ = 0.01, no entropy"),
          row(paperRuns.papoGNoReference("7B"), "γ = 0.01, double entropy"),
          row(paperRuns.papoGNoReferenceWith("7B", "gamma0.02", [gammaOverride("0.02")]), "γ = 0.02, double entropy"),
        ],
      },
    ],
    mini: [
      {
        ...accuracyReward,
        title: "no reference KL, miniature",
        runs: [
          row(miniRuns.papoGNoReferenceNoEntropy, `γ = ${miniGamma}, no entropy`),
          row(miniRuns.papoGNoReference(), `γ = ${miniGamma}, double entropy`),
          row(miniRuns.papoGNoReference(miniLargeGamma), `γ = ${miniLargeGamma}, double entropy`),
        ],
      },
    ],
  },
  notes: ["Which model and which γ the paper's figure shows is known in part only: 7B is taken."],
});
