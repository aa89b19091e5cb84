// The form of the paper's accuracy tables, and what follows from their own rows.
import type { AccuracyColumn, Benchmark } from "../columns.ts";
import { accuracyColumns, averageKey, gainKey, overall } from "../columns.ts";
import { mean, relativeGain } from "../statistics.ts";

export interface PaperRow {
  /** As in the runs of our table. */
  readonly label: string;
  readonly size: string;
  /** As printed, by column key: a benchmark's name, `AVG:<group>`, `Δ:<group>`. */
  readonly printed: Readonly<Record<string, number>>;
  /** Label of the row of the same size that the gains are over. */
  readonly baseline?: string;
  readonly remark?: string;
}

export interface PaperTable {
  /** Where the numbers are from. */
  readonly source: string;
  /** Of every column but the gains, which are in %. */
  readonly unit: string;
  /** What is averaged how. */
  readonly averaged: string;
  readonly benchmarks: readonly Benchmark[];
  readonly rows: readonly PaperRow[];
}

/** A printed average or gain beside what the row's other printed numbers give. */
export interface Recomputed {
  readonly key: string;
  readonly printed: number;
  readonly value: number;
  /** The benchmarks' columns of the row, or the values of its groups where those are all that is printed. */
  readonly from: "columns" | "groups";
  /** Whether rounding of the printed numbers explains the difference. */
  readonly follows: boolean;
}

/** Half a unit of the last printed digit. */
const half = 0.005;
/** Room for the arithmetic itself. */
const slack = 1e-9;

/** The printed averages and gains of a row that can be recomputed from the table, in the order of the columns. */
export function recompute(table: PaperTable, row: PaperRow): Recomputed[] {
  const baseline = table.rows.find(({ label, size }) => label === row.baseline && size === row.size);
  return accuracyColumns(table.benchmarks).flatMap((column) => {
    const printed = row.printed[column.key];
    const found = printed === undefined ? undefined : valueOf(column, { row, baseline, table });
    if (printed === undefined || found === undefined) return [];
    const follows = Math.abs(printed - found.value) <= found.tolerance + half + slack;
    return [{ key: column.key, printed, value: found.value, from: found.from, follows }];
  });
}

interface Sources {
  readonly row: PaperRow;
  readonly baseline: PaperRow | undefined;
  readonly table: PaperTable;
}

interface Found extends Pick<Recomputed, "value" | "from"> {
  /** The most that rounding of the printed numbers can do to it. */
  readonly tolerance: number;
}

/** From the benchmark columns, else (over all) from the groups. */
function valueOf(column: AccuracyColumn, { row, baseline, table }: Sources): Found | undefined {
  if (column.kind === "benchmark") return undefined;
  const values = printedOf(row, column.benchmarks);
  if (column.kind === "average" && values) return { value: mean(values), tolerance: half, from: "columns" };
  const before = column.kind === "gain" && baseline ? printedOf(baseline, column.benchmarks) : undefined;
  if (values && before)
    return { value: relativeGain(values, before), tolerance: gainTolerance(values, before), from: "columns" };
  return column.group === overall ? fromGroups(column.kind, row, table) : undefined;
}

/** Over all benchmarks from the groups' values, weighted by their numbers of benchmarks. */
function fromGroups(kind: "average" | "gain", row: PaperRow, { benchmarks }: PaperTable): Found | undefined {
  const keys = benchmarks.map(({ group }) => (kind === "average" ? averageKey(group) : gainKey(group)));
  const values = printedOf(row, keys);
  return values && { value: mean(values), tolerance: half, from: "groups" };
}

function printedOf({ printed }: PaperRow, keys: readonly string[]): number[] | undefined {
  const values = keys.map((key) => printed[key]);
  return values.every((value) => value !== undefined) ? values : undefined;
}

/** d(100 new / base) with both half a unit off in the worst direction, averaged. */
function gainTolerance(values: readonly number[], before: readonly number[]): number {
  return mean(
    values.map((value, index) => ((100 * half) / (before[index] ?? NaN)) * (1 + value / (before[index] ?? NaN))),
  );
}
