import { type CurvePanel, accuracyReward, curveFigure } from "./curve-figure.ts";
import { paperFigure4 } from "./paper/curves.ts";
import { miniRuns, paperRuns, row } from "./runs.ts";

const sizes = ["3B", "7B"] as const;
const panel = (title: string, runs: CurvePanel["runs"]): CurvePanel => ({ ...accuracyReward, title, runs });

/** Training accuracy with and without PAPO. */
export const figure4 = curveFigure({
  name: "figure4",
  title: "Training accuracy",
  reference: "Figure 4",
  paper: paperFigure4,
  panelColumns: 2,
  panels: {
    paper: [
      ...sizes.map((size) =>
        panel(`GRPO, ${size}`, [row(paperRuns.grpo(size), "GRPO"), row(paperRuns.papoG(size), "PAPO_G")]),
      ),
      ...sizes.map((size) =>
        panel(`DAPO, ${size}`, [row(paperRuns.dapo(size), "DAPO"), row(paperRuns.papoD(size), "PAPO_D")]),
      ),
    ],
    mini: [
      panel("GRPO, miniature", [row(miniRuns.grpo, "GRPO"), row(miniRuns.papoG, "PAPO_G")]),
      panel("DAPO, miniature", [row(miniRuns.dapo, "DAPO"), row(miniRuns.papoD, "PAPO_D")]),
    ],
  },
  notes: [],
});
