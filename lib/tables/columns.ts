// Columns of an accuracy table, from whatever benchmarks there are: the benchmarks of each group, the group's average
// and gain, then those over all.

export interface Benchmark {
  readonly name: string;
  readonly group: string;
}

export interface AccuracyColumn {
  /** A benchmark's name, `AVG:<group>` or `Δ:<group>`; the group `overall` is all benchmarks. */
  readonly key: string;
  readonly kind: "benchmark" | "average" | "gain";
  /** What it is the value, the mean or the mean gain of. */
  readonly benchmarks: readonly string[];
  readonly group: string;
  /** Stands alone. */
  readonly title: string;
  /** Below the group's heading. */
  readonly short: string;
}

/** Columns that a table has. */
export interface ColumnChoice {
  readonly benchmarks: boolean;
  /** Averages of the groups. */
  readonly averages: boolean;
  /** Gains beside the averages. */
  readonly gains: boolean;
  /** Average over all, with its gain. */
  readonly overall: boolean;
}

export const overall = "overall";
export const averageKey = (group: string) => `AVG:${group}`;
export const gainKey = (group: string) => `Δ:${group}`;
/** Headings start with a capital. */
export const heading = (group: string) => group.charAt(0).toUpperCase() + group.slice(1);

/** All columns in the paper's order, groups in the order of their first benchmark. */
export function accuracyColumns(benchmarks: readonly Benchmark[]): AccuracyColumn[] {
  const groups = [...new Set(benchmarks.map(({ group }) => group))];
  const perGroup = groups.flatMap((group) => {
    const names = benchmarks.filter((benchmark) => benchmark.group === group).map(({ name }) => name);
    return [...names.map((name) => benchmarkColumn(name, group)), ...summaryColumns(group, names)];
  });
  const names = benchmarks.map(({ name }) => name);
  return [...perGroup, ...summaryColumns(overall, names)];
}

export function chosenColumns(columns: readonly AccuracyColumn[], choice: ColumnChoice): AccuracyColumn[] {
  return columns.filter(({ kind, group }) => {
    if (kind === "benchmark") return choice.benchmarks;
    const isThere = group === overall ? choice.overall : choice.averages;
    return isThere && (kind === "average" || choice.gains);
  });
}

function benchmarkColumn(name: string, group: string): AccuracyColumn {
  return { key: name, kind: "benchmark", benchmarks: [name], group, title: name, short: name };
}

function summaryColumns(group: string, benchmarks: readonly string[]): AccuracyColumn[] {
  const title = heading(group);
  return [
    { key: averageKey(group), kind: "average", benchmarks, group, title: `${title} AVG`, short: "AVG" },
    { key: gainKey(group), kind: "gain", benchmarks, group, title: `${title} Δ %`, short: "Δ %" },
  ];
}
