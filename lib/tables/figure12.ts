import { accuracyReward, curveFigure } from "./curve-figure.ts";
import { paperFigure12 } from "./paper/curves.ts";
import { miniGammas, miniLargeGamma, miniRuns, paperRuns, row } from "./runs.ts";

const gammas = ["0.005", "0.01", "0.02", "0.04"];

/** What decides whether a run collapses: γ, the size of the model, the ratio of the mask. */
export const figure12 = curveFigure({
  name: "figure12",
  title: "Factors of a collapse",
  reference: "Figure 12",
  paper: paperFigure12,
  panelColumns: 3,
  legend: "perPanel",
  panels: {
    paper: [
      {
        ...accuracyReward,
        title: "γ, 3B",
        runs: gammas.map((value) => row(paperRuns.papoGGamma("3B", value), `γ = ${value}`)),
      },
      {
        ...accuracyReward,
        title: "size, γ = 0.02",
        runs: [row(paperRuns.papoG("3B"), "3B"), row(paperRuns.papoGGamma("7B", "0.02"), "7B")],
      },
      {
        ...accuracyReward,
        title: "mask ratio, 7B, γ = 0.02",
        runs: [
          row(paperRuns.papoGGamma("7B", "0.02"), "ratio 0.6"),
          row(paperRuns.papoGRatio("7B", "0.02", "1.0"), "ratio 1.0"),
        ],
      },
    ],
    mini: [
      {
        ...accuracyReward,
        title: "γ, miniature",
        runs: [
          ...miniGammas.map((value) => row(miniRuns.papoGGamma(value), `γ = ${value}`)),
          row(miniRuns.papoGCollapsed, `γ = ${miniLargeGamma}, both branches`),
        ],
      },
      {
        ...accuracyReward,
        title: "mask ratio, miniature",
        runs: ["0.6", "1.0"].map((ratio) => row(miniRuns.papoGRatio(ratio), `ratio ${ratio}`)),
      },
    ],
  },
  notes: ["PAPO_G without entropy terms. That the ratio was varied on 7B is inferred from where its 0.6 peaks."],
});
