// What goes wrong under semantic masking where random masking is right: labelled by hand, case by case.
import type { Report, TableDefinition } from "./definition.ts";
import { type SeedCounts, seedCounts } from "./error-shares.ts";
import type { BarPanel } from "./figure.ts";
import { paperFigure8 } from "./paper/figure8.ts";
import { checkMeasured } from "./result-checks.ts";
import { type Results, errorClasses } from "./results.ts";
import { type Scale, paperRuns, row } from "./runs.ts";
import { type Column, type TableRow, column, number, text } from "./table.ts";

const semantic = paperRuns.papoGSemantic("3B");
const runs = { paper: [row(semantic, "semantic 0.6")], mini: [] };
const notes = [
  "Cases where the model trained with random masks is right and the one with masks by saliency is wrong, labelled by hand.",
  "Which set each of the paper's rows is, and its model's size, is not certain; 3B is taken. Its rows add up to 29, 30 and 30 cases.",
];

/** Why masks by saliency are worse than random ones. */
export const figure8: TableDefinition = {
  ...{ name: "figure8", title: "Errors under semantic masking", reference: "Figure 8", runs, notes },
  takes: "errorClasses",
  metrics: [],
  seeds: { paper: 1, mini: 1 },
  make: makeFigure,
};

interface Cases {
  readonly label: string;
  readonly source: "ours" | "paper";
  readonly perception: number;
  readonly others: number;
}

const paperCases = paperFigure8.rows.map(({ label, perception, others }): Cases => {
  return { label, source: "paper", perception, others: others.reduce<number>((sum, count) => sum + count, 0) };
});

function makeFigure(_scale: Scale, { errorClasses: results = [] }: Results): Report {
  const used = results.filter(({ run }) => run.method === semantic.method && run.size === semantic.size);
  checkMeasured(used);
  const benchmarks = [...new Set(used.map(({ benchmark }) => benchmark))];
  const ours = benchmarks.flatMap((benchmark) =>
    seedCounts(
      used.filter((one) => one.benchmark === benchmark),
      semantic,
    ).map((seed) => ourCases(benchmark, seed)),
  );
  const all = [...ours, ...paperCases];
  const title = "Errors under semantic masking (Figure 8)";
  const allNotes = [`Paper: ${paperFigure8.source}.`, ...notes];
  const panels = [...(ours.length > 0 ? [barPanel("ours", ours)] : []), barPanel("paper", paperCases)];
  return {
    table: { name: "figure8", title, columns, rows: all.map(tableRow), notes: allNotes, footnotes: {} },
    figure: { name: "figure8", title, panels, panelColumns: 2, legend: "shared", caption: allNotes },
  };
}

function ourCases(label: string, { counts }: SeedCounts): Cases {
  const others = errorClasses.filter((name) => name !== "perception");
  const sum = others.reduce((total, name) => total + (counts[name] ?? 0), 0);
  return { label, source: "ours", perception: counts.perception ?? 0, others: sum };
}

const columns: readonly Column[] = [
  ...[column("Set", "left"), column("Source", "left"), column("perception", "right"), column("other errors", "right")],
  column("perception, %", "right"),
];

const shareOf = ({ perception, others }: Cases) => (perception / (perception + others)) * 100;

function tableRow(cases: Cases): TableRow {
  const { label, source, perception, others } = cases;
  const cells = [number(perception, 0), number(others, 0), number(shareOf(cases), 1)];
  return { cells: [text(label), text(source), ...cells], source, rule: cases === paperCases[0] };
}

function barPanel(panelTitle: string, cases: readonly Cases[]): BarPanel {
  return {
    ...{ kind: "bars", title: panelTitle, yLabel: "cases", categories: cases.map(({ label }) => label), digits: 0 },
    series: [
      { label: "perception", values: cases.map(({ perception }) => perception) },
      { label: "other errors", values: cases.map(({ others }) => others) },
    ],
  };
}
