// Accuracy tables at both scales: our rows by accuracy-cells.ts, each followed by the paper's.
import { accuracyCell, resultsOf } from "./accuracy-cells.ts";
import { type AccuracyColumn, type ColumnChoice, accuracyColumns, chosenColumns, heading } from "./columns.ts";
import { type Report, type TableDefinition, defaultSeeds } from "./definition.ts";
import { type PaperRow, type PaperTable, recompute } from "./paper/paper-table.ts";
import { checkEvaluations } from "./result-checks.ts";
import type { EvaluationResult, Results, Suite } from "./results.ts";
import type { RowRun, Scale } from "./runs.ts";
import { sourceText } from "./seed-cells.ts";
import { type Cell, type Column, Footnotes, type TableRow, absent, column, number, text } from "./table.ts";

export interface AccuracyTable extends Pick<TableDefinition, "name" | "title" | "reference" | "runs" | "notes"> {
  readonly paper: PaperTable;
  readonly columns: ColumnChoice;
  /** `main` unless given. */
  readonly suite?: Suite;
}

export function accuracyTable(table: AccuracyTable): TableDefinition {
  const { name, title, reference, runs, notes, suite = "main" } = table;
  return {
    ...{ name, title, reference, runs, notes, suite, takes: "evaluations", metrics: [], seeds: defaultSeeds },
    make: (scale, results) => makeTable(table, scale, results),
  };
}

function makeTable(table: AccuracyTable, scale: Scale, { evaluations = [] }: Results): Report {
  const rows = table.runs[scale];
  const used = evaluations.filter(
    ({ suite, run }) =>
      suite === (table.suite ?? "main") && rows.some((row) => row.method === run.method && row.size === run.size),
  );
  checkEvaluations(used);
  const columns = chosenColumns(accuracyColumns(used[0]?.benchmarks ?? table.paper.benchmarks), table.columns);
  const footnotes = new Footnotes();
  const body = rowGroups(table, scale).flatMap(({ run, paper }) => [
    ...(run ? [ourRow(run, { rows, columns, used })] : []),
    ...paper.map((row) => paperRow(row, { columns, paper: table.paper, footnotes })),
  ]);
  return {
    table: {
      name: table.name,
      title: `${table.title} (${table.reference})`,
      columns: [...labelColumns, ...columns.map(tableColumn)],
      rows: withRules(body),
      notes: [...tableNotes(table, scale, used), ...table.notes],
      footnotes: footnotes.byLetter,
    },
  };
}

const labelColumns = ["Model", "Method", "Source"].map((title) => column(title, "left"));

function tableColumn({ title, short, group }: AccuracyColumn): Column {
  return { title, short, group: heading(group), align: "right" };
}

/** Each of our rows with the paper's of its label: of its size, or (in the miniature) of all sizes. */
function rowGroups({ runs, paper }: AccuracyTable, scale: Scale): { run?: RowRun; paper: readonly PaperRow[] }[] {
  const ofRun = (run: RowRun) => paper.rows.filter((row) => row.label === run.label && (scale === "mini" || row.size === run.size)); // prettier-ignore
  if (runs[scale].length === 0) return [{ paper: paper.rows }];
  return runs[scale].map((run) => ({ run, paper: ofRun(run) }));
}

interface OurInputs {
  readonly rows: readonly RowRun[];
  readonly columns: readonly AccuracyColumn[];
  readonly used: readonly EvaluationResult[];
}

function ourRow(run: RowRun, { rows, columns, used }: OurInputs): Omit<TableRow, "rule"> {
  const baseline = rows.find((row) => row.label === run.baseline && row.size === run.size);
  const seeds = resultsOf(run, used);
  const before = baseline ? resultsOf(baseline, used) : [];
  const cells = columns.map((column) => accuracyCell(column, seeds, before));
  return { cells: [text(run.size), text(run.label), text(sourceText(seeds.length)), ...cells], source: "ours" };
}

interface PaperInputs {
  readonly columns: readonly AccuracyColumn[];
  readonly paper: PaperTable;
  readonly footnotes: Footnotes;
}

function paperRow(row: PaperRow, { columns, paper, footnotes }: PaperInputs): Omit<TableRow, "rule"> {
  const recomputed = new Map(recompute(paper, row).map((found) => [found.key, found]));
  const cells = columns.map(({ key }): Cell => {
    const [printed, found] = [row.printed[key], recomputed.get(key)];
    if (printed === undefined) return absent;
    if (!found || found.follows) return number(printed, 2);
    const from =
      found.from === "columns" ? "the row's own columns" : "the row's groups (which of them is off it does not tell)";
    const mark = footnotes.letter(`recomputed from ${from}; the paper prints ${printed.toFixed(2)}`);
    return number(found.value, 2, { mark });
  });
  const source = row.remark === undefined ? "paper" : `paper (${row.remark})`;
  return { cells: [text(row.size), text(row.label), text(source), ...cells], source: "paper" };
}

/** A line where the model changes. */
function withRules(rows: readonly Omit<TableRow, "rule">[]): TableRow[] {
  const sizeOf = (row: Omit<TableRow, "rule"> | undefined) => (row?.cells[0]?.kind === "text" ? row.cells[0].text : "");
  const isPaperScale = new Set(rows.filter(({ source }) => source === "ours").map(sizeOf)).size > 1;
  return rows.map((row, index) => ({
    ...row,
    rule: isPaperScale && index > 0 && sizeOf(row) !== sizeOf(rows[index - 1]),
  }));
}

function tableNotes({ paper }: AccuracyTable, scale: Scale, used: readonly EvaluationResult[]): string[] {
  const n = used[0]?.benchmarks[0]?.n;
  const seedCounts = new Map<string, number>();
  for (const { run } of used)
    seedCounts.set(`${run.method} ${run.size}`, (seedCounts.get(`${run.method} ${run.size}`) ?? 0) + 1);
  const hasSeeds = Math.max(0, ...seedCounts.values()) > 1;
  const hasRows = used.some(({ benchmarks }) => benchmarks.some(({ interval }) => interval));
  return [
    ...(n === undefined
      ? []
      : [`Ours: avg@${n}, ${paper.unit}, mean over seeds; averages and Δ are formed as the paper's.`]),
    ...(hasSeeds
      ? ["± is half the 95 % t interval over seeds; of Δ, over the gains of equal seeds of run and baseline."]
      : []),
    ...(hasRows ? ["Where a row has one seed, ± is half the 95 % interval over the benchmark's rows."] : []),
    `Paper: ${paper.source}; ${paper.unit}; ${paper.averaged}.`,
    ...(scale === "mini"
      ? ["The miniature is another task than the paper's: compare signs and orders, not values."]
      : []),
  ];
}
