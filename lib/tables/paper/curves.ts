// What the paper's training curves show, read off the plots by eye.
import type { PaperCurves } from "../curve-figure.ts";
import { paper } from "./nine.ts";

const readOff = (figure: string, precision: string) => `${paper}, ${figure}; values read off the plot, ${precision}`;

export const paperFigure4: PaperCurves = {
  source: readOff("Figure 4", "±0.005"),
  points: [
    { title: "GRPO, 3B", label: "GRPO", kind: "last", step: 200, value: 0.51 },
    { title: "GRPO, 3B", label: "PAPO_G", kind: "last", step: 200, value: 0.533 },
    { title: "GRPO, 7B", label: "GRPO", kind: "last", step: 200, value: 0.655 },
    { title: "GRPO, 7B", label: "PAPO_G", kind: "last", step: 200, value: 0.66 },
    { title: "DAPO, 3B", label: "DAPO", kind: "last", step: 200, value: 0.6 },
    { title: "DAPO, 3B", label: "PAPO_D", kind: "last", step: 200, value: 0.607 },
    { title: "DAPO, 7B", label: "DAPO", kind: "peak", step: 140, value: 0.7 },
    { title: "DAPO, 7B", label: "DAPO", kind: "last", step: 200, value: 0.653 },
    { title: "DAPO, 7B", label: "PAPO_D", kind: "last", step: 200, value: 0.76 },
  ],
};

/** Two of the runs were stopped before the end. */
export const paperFigure5: PaperCurves = {
  source: readOff("Figure 5", "±0.005"),
  points: [
    { title: "γ = 0.02, 7B", label: "no regularisation", kind: "peak", step: 135, value: 0.638 },
    { title: "γ = 0.02, 7B", label: "no regularisation", kind: "last", step: 186, value: 0.57 },
    { title: "γ = 0.02, 7B", label: "masked entropy", kind: "peak", step: 107, value: 0.624 },
    { title: "γ = 0.02, 7B", label: "masked entropy", kind: "last", step: 132, value: 0.597 },
    { title: "γ = 0.02, 7B", label: "larger β", kind: "last", step: 200, value: 0.649 },
    { title: "γ = 0.02, 7B", label: "original entropy", kind: "last", step: 200, value: 0.657 },
    { title: "γ = 0.02, 7B", label: "double entropy", kind: "last", step: 200, value: 0.66 },
  ],
};

/** The step of the highest value of DAPO with the entropy loss cannot be read. */
export const paperFigure9: PaperCurves = {
  source: readOff("Figure 9", "±0.005"),
  points: [
    { title: "DAPO, 7B", label: "DAPO", kind: "last", step: 200, value: 0.653 },
    { title: "DAPO, 7B", label: "DAPO + entropy loss", kind: "last", step: 200, value: 0.724 },
    { title: "DAPO, 7B", label: "PAPO_D", kind: "last", step: 200, value: 0.76 },
  ],
};

/** No numbers of it are at hand but that γ = 0.02 collapses. */
export const paperFigure10: PaperCurves = { source: `${paper}, Figure 10 (γ = 0.02 collapses; no values)`, points: [] };

/** The collapsing run falls from about step 125; its accuracy from about 130. */
export const paperFigure11: PaperCurves = {
  source: readOff("Figure 11", "approximate"),
  points: [
    { title: "perception loss", label: "γ = 0.02", kind: "last", step: 175, value: -0.9 },
    { title: "clipped tokens", label: "γ = 0.02", kind: "last", step: 185, value: 0.007 },
    { title: "entropy, original picture", label: "γ = 0.01", kind: "last", step: 185, value: 0.35 },
    { title: "entropy, original picture", label: "γ = 0.02", kind: "lowest", step: 150, value: 0.2 },
    { title: "entropy, original picture", label: "γ = 0.02", kind: "last", step: 185, value: 0.41 },
    { title: "entropy, masked picture", label: "γ = 0.02", kind: "last", step: 185, value: 1.3 },
  ],
};

/** Where accuracy is highest before it falls; its value is not stated. */
export const paperFigure12: PaperCurves = {
  source: `${paper}, Figure 12 (γ = 0.04 collapses at about step 85; masks of 1.0 peak at about 92, of 0.6 at about 135; no values)`,
  points: [],
};
