// Figures of training curves; the table of what can be read off them is curve-rows.ts.
import { type DrawnRun, type PaperPoint, curveColumns, paperRows, runRows } from "./curve-rows.ts";
import { type CurveChoice, seedSeries } from "./curves.ts";
import { type Report, type TableDefinition, defaultSeeds } from "./definition.ts";
import type { Figure, LinePanel, Mark } from "./figure.ts";
import { checkCurves } from "./result-checks.ts";
import type { Results, RunResult } from "./results.ts";
import type { NeededRun, RowRun, Scale } from "./runs.ts";

export interface CurvePanel extends CurveChoice {
  readonly title: string;
  readonly yLabel: string;
  readonly runs: readonly RowRun[];
}

export interface PaperCurves {
  readonly source: string;
  readonly points: readonly PaperPoint[];
}

export interface CurveFigure extends Pick<TableDefinition, "name" | "title" | "reference" | "notes"> {
  readonly panels: Readonly<Record<Scale, readonly CurvePanel[]>>;
  readonly panelColumns: number;
  /** `shared` unless given. */
  readonly legend?: Figure["legend"];
  readonly paper: PaperCurves;
}

/** The accuracy reward as the paper draws it. */
export const accuracyReward = { metric: "reward/accuracy", window: 20, yLabel: "accuracy reward" } as const;

export function curveFigure(figure: CurveFigure): TableDefinition {
  const { name, title, reference, notes, panels } = figure;
  const metrics = [...new Set([...panels.paper, ...panels.mini].map(({ metric }) => metric))];
  const runsOf = (scale: Scale) => distinct(panels[scale].flatMap(({ runs }) => runs));
  return {
    ...{ name, title, reference, notes, takes: "metrics", metrics, seeds: defaultSeeds },
    runs: { paper: runsOf("paper"), mini: runsOf("mini") },
    make: (scale, results) => makeFigure(figure, scale, results),
  };
}

const isSame = (a: RunName, b: RunName) => a.method === b.method && a.size === b.size;
type RunName = Pick<NeededRun, "method" | "size">;

function distinct(runs: readonly RowRun[]): RowRun[] {
  return runs.filter((run, index) => runs.findIndex((other) => isSame(run, other)) === index);
}

function makeFigure(figure: CurveFigure, scale: Scale, { runs = [] }: Results): Report {
  const panels = figure.panels[scale];
  const used = runs.filter(({ run }) => panels.some((panel) => panel.runs.some((row) => isSame(row, run))));
  checkCurves(used);
  const drawn = panels.map((panel) => ({ panel, runs: panel.runs.map((run) => drawnRun(run, panel, used)) }));
  const marks = scale === "paper" ? figure.paper.points : [];
  const title = `${figure.title} (${figure.reference})`;
  const notes = [...curveNotes(figure, scale, used), ...figure.notes];
  const { name, panelColumns, legend = "shared" } = figure;
  return {
    table: {
      ...{ name, title, notes, columns: curveColumns, footnotes: {} },
      rows: [
        ...drawn.flatMap(({ panel, runs: ours }, index) =>
          runRows(panel.title, ours, { points: marks, rule: index > 0 }),
        ),
        ...(scale === "mini" ? paperRows(figure.paper.points) : []),
      ],
    },
    figure: {
      ...{ name, title, panelColumns, legend, caption: notes },
      panels: drawn.map(({ panel, runs: ours }) => linePanel(panel, ours, marks)),
    },
  };
}

function drawnRun(run: RowRun, panel: CurvePanel, used: readonly RunResult[]): DrawnRun {
  const seeds = used.filter((result) => isSame(result.run, run));
  return { run, seeds, series: seeds.length === 0 ? undefined : seedSeries(run.label, seeds, panel) };
}

function linePanel(panel: CurvePanel, ours: readonly DrawnRun[], points: readonly PaperPoint[]): LinePanel {
  const marks = points
    .filter(({ title }) => title === panel.title)
    .map(({ label, step, value }): Mark => ({ label, x: step, y: value }));
  const series = ours.flatMap((one) => (one.series ? [one.series] : []));
  return { kind: "lines", title: panel.title, xLabel: "training step", yLabel: panel.yLabel, series, marks };
}

function curveNotes({ panels, paper }: CurveFigure, scale: Scale, used: readonly RunResult[]): string[] {
  const hasSeeds = new Set(used.map(({ run }) => `${run.method} ${run.size}`)).size < used.length;
  return [
    ...windowNotes(panels[scale]),
    ...(hasSeeds ? ["Line: mean over seeds; band: from the lowest seed to the highest."] : []),
    `Paper: ${paper.source}.`,
    ...(scale === "mini" ? ["The miniature is another task than the paper's: compare shapes, not values."] : []),
  ];
}

/** Which panels are smoothed over how many steps; without their names where all are alike. */
function windowNotes(panels: readonly CurvePanel[]): string[] {
  const windows = [...new Set(panels.map(({ window }) => window))];
  return windows.map((window) => {
    const titles = panels.filter((panel) => panel.window === window).map(({ title }) => title);
    return `Running mean over ${window} steps${windows.length > 1 ? `: ${titles.join("; ")}` : ""}.`;
  });
}
