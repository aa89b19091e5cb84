// What can be read off training curves: how low and how high each goes, and where it ends, beside the paper's.
import type { Series } from "./figure.ts";
import type { RunResult } from "./results.ts";
import type { RowRun } from "./runs.ts";
import { sourceText } from "./seed-cells.ts";
import { type Cell, type Column, type TableRow, absent, column, incomplete, number, text } from "./table.ts";

const pointKinds = ["lowest", "peak", "last"] as const;

/** A value of the paper at a step; read off a plot. */
export interface PaperPoint {
  /** As in the panels. */
  readonly title: string;
  readonly label: string;
  readonly kind: (typeof pointKinds)[number];
  readonly step: number;
  readonly value: number;
}

/** A run of a panel with its results, one a seed. */
export interface DrawnRun {
  readonly run: RowRun;
  readonly seeds: readonly RunResult[];
  readonly series: Series | undefined;
}

export const curveColumns: readonly Column[] = [
  ...["Panel", "Run", "Source"].map((title) => column(title, "left")),
  ...["Lowest", "Highest", "at step", "Last", "at last step"].map((title) => column(title, "right")),
];

export interface RowOptions {
  readonly points: readonly PaperPoint[];
  /** A line above the first. */
  readonly rule: boolean;
}

/** A row a run of a panel, each followed by the paper's. */
export function runRows(title: string, ours: readonly DrawnRun[], { points, rule }: RowOptions): TableRow[] {
  return ours.flatMap(({ run, seeds, series }, index): TableRow[] => {
    const labels = [text(title), text(run.label), text(sourceText(seeds.length))];
    const cells = series === undefined ? none : series.isIncomplete ? unfinished : curveCells(series);
    const paper = paperRows(points.filter((point) => point.title === title && point.label === run.label));
    return [{ cells: [...labels, ...cells], source: "ours", rule: rule && index === 0 }, ...paper];
  });
}

const none: readonly Cell[] = [absent, absent, absent, absent, absent];
const unfinished: readonly Cell[] = [incomplete, incomplete, incomplete, incomplete, incomplete];

function curveCells({ points }: Series): Cell[] {
  const last = points.at(-1);
  if (!last) return [...none];
  const peak = points.reduce((best, point) => (point.y > best.y ? point : best));
  const lowest = Math.min(...points.map(({ y }) => y));
  return [number(lowest, 4), number(peak.y, 4), number(peak.x, 0), number(last.y, 4), number(last.x, 0)];
}

/** One row a curve of the paper. */
export function paperRows(points: readonly PaperPoint[]): TableRow[] {
  const keys = [...new Set(points.map(({ title, label }) => `${title}\n${label}`))];
  return keys.map((key) => {
    const of = points.filter(({ title, label }) => `${title}\n${label}` === key);
    const [lowest, peak, last] = pointKinds.map((kind) => of.find((point) => point.kind === kind));
    const steps = [peak, last].flatMap((point) => [number(point?.value, 3), number(point?.step, 0)]);
    const cells = [number(lowest?.value, 3), ...steps];
    const [{ title, label } = { title: "", label: "" }] = of;
    return { cells: [text(title), text(label), text("paper"), ...cells], source: "paper", rule: false };
  });
}
