import { type CurvePanel, accuracyReward, curveFigure } from "./curve-figure.ts";
import { paperFigure11 } from "./paper/curves.ts";
import { type RowRun, miniGamma, miniLargeGamma, miniRuns, paperRuns, row } from "./runs.ts";

/** The five metrics that tell a collapse; all but accuracy smoothed little, so that its beginning shows. */
function panels(runs: readonly RowRun[]): CurvePanel[] {
  const brief = { window: 10, runs };
  return [
    { ...brief, title: "perception loss", metric: "actor/kl_prcp_loss", yLabel: "KL_prcp loss (nat)" },
    { ...accuracyReward, title: "accuracy", runs },
    { ...brief, title: "clipped tokens", metric: "actor/pg_clipfrac_higher", yLabel: "share of tokens" },
    { ...brief, title: "entropy, original picture", metric: "actor/entropy_loss", yLabel: "sampled NLL (nat)" },
    { ...brief, title: "entropy, masked picture", metric: "actor/aug_entropy_loss", yLabel: "sampled NLL (nat)" },
  ];
}

/** How a run that collapses differs from one that does not. */
export const figure11 = curveFigure({
  name: "figure11",
  title: "Signature of a collapse",
  reference: "Figure 11",
  paper: paperFigure11,
  panelColumns: 3,
  panels: {
    paper: panels([
      row(paperRuns.papoGGamma("7B", "0.01"), "γ = 0.01"),
      row(paperRuns.papoGGamma("7B", "0.02"), "γ = 0.02"),
    ]),
    mini: panels([
      row(miniRuns.papoG, `γ = ${miniGamma}`),
      row(miniRuns.papoGCollapsed, `γ = ${miniLargeGamma}, gradient of both branches`),
    ]),
  },
  notes: ["7B without entropy terms; in the paper the perception loss of γ = 0.01 stays between -0.08 and -0.03."],
});
