// How the pictures look. Colours that people with any colour vision tell apart (Okabe and Ito), each with a dash pattern
// of its own, so that they survive a black-and-white printer.

export const fontFamily = "DejaVu Sans, Verdana, Arial, sans-serif";
export const fontSizes = { title: 13, panel: 11.5, label: 11, tick: 10, value: 9 } as const;
export const colors = { ink: "#222222", axis: "#555555", grid: "#e3e3e3", paper: "#ffffff" } as const;

export interface LineStyle {
  readonly color: string;
  /** stroke-dasharray; undefined for a whole line. */
  readonly dash: string | undefined;
}

const lineStyles: readonly LineStyle[] = [
  { color: "#0072B2", dash: undefined },
  { color: "#D55E00", dash: "7 2.5" },
  { color: "#009E73", dash: "2.5 2" },
  { color: "#CC79A7", dash: "8 2 2 2" },
  { color: "#000000", dash: "4 2" },
  { color: "#E69F00", dash: "10 3" },
  { color: "#56B4E9", dash: "1.5 1.5" },
];

/** The style of each label, in order; after seven they begin anew. */
export function stylesOf(labels: readonly string[]): (label: string) => LineStyle {
  const [first = { color: colors.ink, dash: undefined }] = lineStyles;
  const known = new Map(
    [...new Set(labels)].map((label, index) => [label, lineStyles[index % lineStyles.length] ?? first]),
  );
  return (label) => known.get(label) ?? first;
}

/** Place of a panel and of its plot area, in pixels. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}
