// Error classes with and without PAPO: of the miniature's responses by its classifier, of real ones by annotations.
import { type Report, type TableDefinition, defaultSeeds } from "./definition.ts";
import { type ErrorShares, type Estimate, type SeedCounts, errorShares, seedCounts } from "./error-shares.ts";
import type { BarPanel } from "./figure.ts";
import { paperFigure1 } from "./paper/figure1.ts";
import { checkMeasured } from "./result-checks.ts";
import { type ErrorClass, type ErrorClassResult, type Results, type RunRef, errorClasses, isUnfinished } from "./results.ts"; // prettier-ignore
import { seedNote, sourceText } from "./seed-cells.ts";
import { type RowRun, type Scale, miniRuns, paperRuns, row } from "./runs.ts";
import { type Cell, type Column, type TableRow, absent, column, incomplete, number, text } from "./table.ts";

const title = "Errors by class (Figure 1)";
const runs: TableDefinition["runs"] = {
  paper: [row(paperRuns.grpo("3B"), "GRPO"), row(paperRuns.papoG("3B"), "PAPO_G", "GRPO")],
  mini: [
    ...[row(miniRuns.grpo, "GRPO"), row(miniRuns.papoG, "PAPO_G", "GRPO")],
    ...[row(miniRuns.dapo, "DAPO"), row(miniRuns.papoD, "PAPO_D", "DAPO")],
  ],
};
const notes = [
  "Errors for 100 errors of the baseline (GRPO for PAPO_G, DAPO for PAPO_D), so that a baseline's own add up to 100.",
  "perception: the picture is misread; reasoning: a wrong rule or inference; calculation: wrong arithmetic; inconsistency: the boxed answer is not the chain's; format: no chain or no box.",
  "Ours counts every response to the same questions. The paper labelled 200 wrong answers of GRPO by hand and asked PAPO_G these questions again, so that its new errors elsewhere do not count.",
];

/** What goes wrong, and what of it PAPO repairs. */
export const figure1: TableDefinition = {
  ...{ name: "figure1", title: "Errors by class", reference: "Figure 1", runs, notes },
  takes: "errorClasses",
  metrics: [],
  seeds: defaultSeeds,
  make: makeFigure,
};

interface RunShares {
  readonly label: string;
  readonly source: string;
  readonly shares: ErrorShares | undefined;
  /** Its own or its baseline's training has not ended. */
  readonly isIncomplete: boolean;
}

function makeFigure(scale: Scale, { errorClasses: results = [] }: Results): Report {
  const used = results.filter(({ run }) => runs[scale].some((row) => isOf(row, run)));
  checkMeasured(used);
  const ours = runs[scale].map((run) => ourShares(run, used, scale));
  const classes = errorClasses.filter((name) => [...ours, ...paperShares].some(({ shares }) => (shares?.byClass[name].value ?? 0) > 0)); // prettier-ignore
  const allNotes = [
    ...(ours.some(({ shares }) => shares?.all.halfWidth !== undefined) ? [seedNote] : []),
    `Paper: ${paperFigure1.source}; it prints 8 fixed and 3 left of 10 calculation errors.`,
    ...(scale === "mini"
      ? ["The miniature's questions leave no room for reasoning errors; the paper has no class for format."]
      : []),
    ...notes,
  ];
  const rows = [...ours, ...paperShares].map((one): TableRow => tableRow(one, classes));
  const pairs = runs[scale].filter(({ baseline }) => baseline !== undefined);
  const panels = [
    ...pairs.map(({ label, baseline, size }) => barPanel(`${baseline ?? ""} and ${label}, ${size}`, ours.filter((one) => [label, baseline].includes(one.label)), classes)), // prettier-ignore
    barPanel("GRPO and PAPO_G, 3B, paper", paperShares, classes),
  ];
  return {
    table: { name: "figure1", title, columns: columnsOf(classes), rows, notes: allNotes, footnotes: {} },
    figure: { name: "figure1", title, panels, panelColumns: 2, legend: "shared", caption: allNotes },
  };
}

const isOf = (row: RowRun, run: RunRef) => row.method === run.method && row.size === run.size;

function ourShares(row: RowRun, results: readonly ErrorClassResult[], scale: Scale): RunShares {
  const baseline = runs[scale].find(({ label }) => label === row.baseline) ?? row;
  const isIncomplete = results.some(({ run }) => (isOf(row, run) || isOf(baseline, run)) && isUnfinished(run));
  const seeds = seedCounts(results, row);
  const shares = isIncomplete ? undefined : errorShares(seeds, seedCounts(results, baseline));
  return {
    label: row.label,
    source: sourceText(shares?.numSeeds ?? seeds.length),
    shares,
    isIncomplete: isIncomplete && seeds.length > 0,
  };
}

const paperShares: readonly RunShares[] = (["GRPO", "PAPO_G"] as const).map((label) => {
  const seed = (counts: SeedCounts["counts"]): SeedCounts[] => [{ id: "paper", seed: 1, counts }];
  const { counts, errorRate } = paperFigure1;
  const shares = errorShares(seed(counts[label]), seed(counts.GRPO));
  const rate: Estimate = { value: errorRate[label], halfWidth: undefined };
  return { label, source: "paper", shares: shares && { ...shares, errorRate: rate }, isIncomplete: false };
});

function columnsOf(classes: readonly ErrorClass[]): Column[] {
  const numbers = [...classes, "all errors", "wrong of all, %"];
  return [column("Method", "left"), column("Source", "left"), ...numbers.map((name) => column(name, "right"))];
}

function tableRow({ label, source, shares, isIncomplete }: RunShares, classes: readonly ErrorClass[]): TableRow {
  const known = classes.map((name) =>
    source !== "paper" || name in paperFigure1.fixed ? shares?.byClass[name] : undefined,
  );
  const estimates = [...known, shares?.all, shares?.errorRate];
  const cells = estimates.map((one): Cell => {
    if (!one) return isIncomplete ? incomplete : absent;
    return number(one.value, 2, one.halfWidth === undefined ? {} : { halfWidth: one.halfWidth });
  });
  const isPaper = source === "paper";
  return {
    cells: [text(label), text(source), ...cells],
    source: isPaper ? "paper" : "ours",
    rule: isPaper && label === "GRPO",
  };
}

/** Classes that none of the runs has are left out. */
function barPanel(panelTitle: string, runs: readonly RunShares[], all: readonly ErrorClass[]): BarPanel {
  const there = runs.flatMap(({ label, shares }) => (shares ? [{ label, shares }] : []));
  const classes = all.filter((name) => there.some(({ shares }) => shares.byClass[name].value > 0));
  return {
    kind: "bars",
    title: panelTitle,
    yLabel: "errors for 100 of the baseline",
    categories: classes,
    series: there.map(({ label, shares }) => ({
      label,
      values: classes.map((name) => shares.byClass[name].value),
      halfWidths: classes.map((name) => shares.byClass[name].halfWidth),
    })),
    digits: 1,
  };
}
