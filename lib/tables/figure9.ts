import { accuracyReward, curveFigure } from "./curve-figure.ts";
import { paperFigure9 } from "./paper/curves.ts";
import { miniRuns, paperRuns, row } from "./runs.ts";

/** Whether an entropy term alone explains what PAPO adds to DAPO, over the training. */
export const figure9 = curveFigure({
  name: "figure9",
  title: "Regularisation of DAPO",
  reference: "Figure 9",
  paper: paperFigure9,
  panelColumns: 1,
  panels: {
    paper: [
      {
        ...accuracyReward,
        title: "DAPO, 7B",
        runs: [
          row(paperRuns.dapo("7B"), "DAPO"),
          row(paperRuns.dapoEntropy("7B"), "DAPO + entropy loss"),
          row(paperRuns.papoD("7B"), "PAPO_D"),
        ],
      },
    ],
    mini: [
      {
        ...accuracyReward,
        title: "DAPO, miniature",
        runs: [
          row(miniRuns.dapo, "DAPO"),
          row(miniRuns.dapoEntropy, "DAPO + entropy loss"),
          row(miniRuns.papoD, "PAPO_D"),
        ],
      },
    ],
  },
  notes: ["The paper's DAPO + entropy loss is highest at 0.73, at a step that the plot does not tell."],
});
