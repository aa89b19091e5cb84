import { accuracyReward, curveFigure } from "./curve-figure.ts";
import { paperFigure5 } from "./paper/curves.ts";
import { miniLargeGamma, miniRuns, paperRuns, row } from "./runs.ts";

/** What keeps a large γ from collapsing, over the training. */
export const figure5 = curveFigure({
  name: "figure5",
  title: "Regularisation at a large γ",
  reference: "Figure 5",
  paper: paperFigure5,
  panelColumns: 1,
  panels: {
    paper: [
      {
        ...accuracyReward,
        title: "γ = 0.02, 7B",
        runs: [
          row(paperRuns.papoGGamma("7B", "0.02"), "no regularisation"),
          row(paperRuns.papoGAugEntropy("7B"), "masked entropy"),
          row(paperRuns.papoGLargerBeta("7B"), "larger β"),
          row(paperRuns.papoG("7B"), "original entropy"),
          row(paperRuns.papoGRecompute("7B"), "double entropy"),
        ],
      },
    ],
    mini: [
      {
        ...accuracyReward,
        title: `γ = ${miniLargeGamma}, miniature`,
        runs: [
          row(miniRuns.papoGCollapsed, "no regularisation"),
          row(miniRuns.papoGAugEntropy(), "masked entropy"),
          row(miniRuns.papoGLargerBeta(), "larger β"),
          row(miniRuns.papoGEta("0.05"), "original entropy"),
          row(miniRuns.papoGDoubleEntropy(), "double entropy"),
        ],
      },
    ],
  },
  notes: [
    "In the published code the masked entropy has no gradient: masked entropy would be no regularisation, double entropy the original one. Ours has it (aug.grad: recompute).",
    "The larger β is not published.",
    "In the miniature all have the gradient through the masked branch, without which none collapses.",
  ],
});
