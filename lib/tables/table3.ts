import { accuracyTable } from "./accuracy-table.ts";
import { paperTable3 } from "./paper/table3.ts";
import { miniGamma, miniRuns, paperRuns, row } from "./runs.ts";

const otherRatios = ["0.4", "0.8", "1.0"];

/** How the picture is masked: at random or by saliency, and how much of it. */
export const table3 = accuracyTable({
  name: "table3",
  title: "Masking strategy and ratio",
  reference: "Table 3",
  paper: paperTable3,
  columns: { benchmarks: false, averages: true, gains: true, overall: true },
  runs: {
    paper: [
      row(paperRuns.grpo("3B"), "GRPO"),
      row(paperRuns.papoGGamma("3B", "0.01"), "random 0.6", "GRPO"),
      row(paperRuns.papoGSemantic("3B"), "semantic 0.6", "GRPO"),
      ...otherRatios.map((ratio) => row(paperRuns.papoGRatio("3B", "0.01", ratio), `random ${ratio}`, "GRPO")),
      row(paperRuns.grpo("7B"), "GRPO"),
      row(paperRuns.papoGGamma("7B", "0.01"), "random 0.6", "GRPO"),
      row(paperRuns.papoGSemantic("7B"), "semantic 0.6", "GRPO"),
    ],
    mini: [
      row(miniRuns.grpo, "GRPO"),
      row(miniRuns.papoGRatio("0.6"), "random 0.6", "GRPO"),
      row(miniRuns.papoGSemantic, "semantic 0.6", "GRPO"),
      ...otherRatios.map((ratio) => row(miniRuns.papoGRatio(ratio), `random ${ratio}`, "GRPO")),
    ],
  },
  notes: [
    `PAPO_G at γ = 0.01 (in the miniature ${miniGamma}) without entropy terms: its row at 0.6 is that of Table 4.`,
    "Of the saliency model's size, resolution and layers' numbering nothing is published: here it is dinov2-base over the " +
      "whole picture at its processor's size, layers counted from 0; in the miniature the policy's own vision tower.",
  ],
});
