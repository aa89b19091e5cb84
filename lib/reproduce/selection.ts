// Which tables and runs are meant: words of the command line to definitions, seeds and runs, each run once.
import { didYouMean } from "../config/suggest.ts";
import { ConfigError } from "../errors.ts";
import type { TableDefinition } from "../tables/definition.ts";
import { tables } from "../tables/registry.ts";
import type { NeededRun, RowRun, Scale } from "../tables/runs.ts";
import { attentionFile } from "./stored-attention.ts";
import type { TrainableRun } from "./study.ts";

/** A table with the seeds that it is made of. */
export interface ChosenTable {
  readonly definition: TableDefinition;
  readonly seeds: readonly number[];
}

/** A run with one of its seeds, and the tables that need it. */
export interface ChosenRun {
  readonly run: TrainableRun;
  readonly seed: number;
  readonly tables: readonly string[];
}

/** Rows that papo cannot fill, and why. */
export interface LeftOut {
  readonly table: string;
  /** Undefined: all of the table's. */
  readonly run?: NeededRun;
  readonly reason: string;
}

/** In the folder of the study; of the form of lib/tables/annotations.ts. */
export const annotationsFile = "annotations.jsonl";

export interface Selection {
  readonly scale: Scale;
  readonly tables: readonly ChosenTable[];
  /** One seed after another. */
  readonly runs: readonly ChosenRun[];
  readonly leftOut: readonly LeftOut[];
}

export interface SelectionOptions {
  /** Names of tables and figures, or `all`. */
  readonly names: readonly string[];
  readonly scale: Scale;
  /** Seeds 1 to this; default: as many as each table is worth showing with. */
  readonly seeds?: number | undefined;
}

/** @throws {ConfigError} for an unknown name */
export function select({ names, scale, seeds }: SelectionOptions): Selection {
  const chosen = [...new Set(names.flatMap(definitionsOf))].map((definition): ChosenTable => {
    const numSeeds = seeds ?? definition.seeds[scale];
    return { definition, seeds: Array.from({ length: numSeeds }, (_, index) => index + 1) };
  });
  const leftOut = chosen.flatMap(({ definition }) => leftOutOf(definition, scale));
  return { scale, tables: chosen, runs: runsOf(chosen, scale), leftOut };
}

function definitionsOf(name: string): readonly TableDefinition[] {
  const known = Object.keys(tables);
  if (name === "all") return Object.values(tables);
  const definition = Object.hasOwn(tables, name) ? tables[name] : undefined;
  if (definition) return [definition];
  throw new ConfigError("NAME", `expected all or names out of ${known.join(", ")}; got ${JSON.stringify(name)}${didYouMean(name, known)}`); // prettier-ignore
}

/** Suites without benchmarks in lib/eval/benchmarks have nothing to run. */
const hasBenchmarks = ({ suite = "main" }: TableDefinition) => suite === "main";

function isTrainable(run: RowRun): run is RowRun & TrainableRun {
  return run.blocked === undefined && run.recipe !== null;
}

function runsOf(chosen: readonly ChosenTable[], scale: Scale): ChosenRun[] {
  const found = new Map<string, { run: TrainableRun; seed: number; tables: string[] }>();
  for (const { definition, seeds } of chosen) {
    if (!hasBenchmarks(definition)) continue;
    for (const run of definition.runs[scale].filter(isTrainable)) {
      for (const seed of seeds) {
        const key = `${run.method} ${run.size} ${seed}`;
        const known = found.get(key) ?? { run, seed, tables: [] };
        if (!known.tables.includes(definition.name)) known.tables.push(definition.name);
        found.set(key, known);
      }
    }
  }
  return [...found.values()].sort((a, b) => a.seed - b.seed);
}

function leftOutOf(definition: TableDefinition, scale: Scale): LeftOut[] {
  const { name: table, runs, suite = "main", takes } = definition;
  if (runs[scale].length === 0) return [{ table, reason: `there is nothing to run at scale ${scale}` }];
  if (!hasBenchmarks(definition)) return [{ table, reason: `papo has no benchmark ${suite}` }];
  const blocked = distinct(runs[scale]).flatMap((run) => (run.blocked === undefined ? [] : [{ table, run, reason: run.blocked }])); // prettier-ignore
  const elsewhere = measuredElsewhere(takes, scale);
  return [...blocked, ...(elsewhere === undefined ? [] : [{ table, reason: elsewhere }])];
}

function measuredElsewhere(takes: TableDefinition["takes"], scale: Scale): string | undefined {
  if (takes === "attention")
    return `attention is not measured here, but read from ${attentionFile} of the result folders`;
  if (takes === "errorClasses" && scale === "paper")
    return `what went wrong is for people to say, in ${annotationsFile}`;
  return undefined;
}

function distinct(runs: readonly RowRun[]): RowRun[] {
  return [...new Map(runs.map((run) => [`${run.method} ${run.size}`, run])).values()];
}
