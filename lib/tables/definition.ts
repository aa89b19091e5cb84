// What a table or figure is made of and how: one object each, listed in registry.ts.
import type { Figure } from "./figure.ts";
import type { Results, Suite } from "./results.ts";
import type { RowRun, Scale } from "./runs.ts";
import type { Table } from "./table.ts";

/** A finished table; a figure has its numbers as one. */
export interface Report {
  readonly table: Table;
  readonly figure?: Figure;
}

export interface TableDefinition {
  /** Name in `papo reproduce`, e.g. `table1`, `figure4`. */
  readonly name: string;
  readonly title: string;
  /** Where it is in the paper, e.g. `Table 1`. */
  readonly reference: string;
  /** By scale; empty where there is nothing to run at that scale. */
  readonly runs: Readonly<Record<Scale, readonly RowRun[]>>;
  /** What it takes of each run. */
  readonly takes: "evaluations" | "metrics" | "errorClasses" | "attention";
  /** Metrics that it needs of each run, by lib/trainer/metrics.ts; none unless it takes them. */
  readonly metrics: readonly string[];
  /** Evaluated on, where it takes evaluations. */
  readonly suite?: Suite;
  /** Seeds a run that the table is worth showing with. The paper appears to have one. */
  readonly seeds: Readonly<Record<Scale, number>>;
  /** For the reader of the plan and of the table, e.g. settings that were not published. */
  readonly notes: readonly string[];
  /**
   * The table of what results there are; rows without results say so. Pure: it reads and writes nothing.
   * @throws {ResultsError} as result-checks.ts says
   */
  make(scale: Scale, results: Results): Report;
}

export const defaultSeeds = { paper: 1, mini: 3 } as const;
