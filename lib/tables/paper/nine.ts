// The paper's nine benchmark columns, and its rows in their printed order.
import { averageKey, gainKey, overall } from "../columns.ts";
import type { Benchmark } from "../columns.ts";

export const paper = "arXiv:2507.06448v5";

/** With their rows as evaluated by PAPO-Eval; 11,206 in all. */
export const nineBenchmarks: readonly (Benchmark & { readonly rows: number })[] = [
  { name: "Geo3k", group: "general", rows: 601 },
  { name: "MathVista", group: "general", rows: 1000 },
  { name: "We-Math", group: "general", rows: 1740 },
  { name: "MMK12", group: "general", rows: 2000 },
  { name: "MathVerse", group: "general", rows: 2180 },
  { name: "LogicVista", group: "vision-dependent", rows: 447 },
  { name: "Counting", group: "vision-dependent", rows: 200 },
  { name: "MMMU-Pro", group: "vision-dependent", rows: 1730 },
  { name: "MathVerse_V", group: "vision-dependent", rows: 1308 },
];

export const averagedAsPublished =
  "avg@8 at temperature 1; AVG is the unweighted mean of the columns of its group (5 general, 4 vision-dependent, all 9); " +
  "Δ is the mean over those columns of (new / base - 1) x 100";

type Printed = Readonly<Record<string, number>>;

/** The nine columns in order. */
export function nine(...values: readonly number[]): Printed {
  return Object.fromEntries(nineBenchmarks.map(({ name }, index) => [name, values[index] ?? NaN]));
}

/** AVG of the general, the vision-dependent and all benchmarks. */
export function averages(general: number, visionDependent: number, all: number): Printed {
  return {
    [averageKey("general")]: general,
    [averageKey("vision-dependent")]: visionDependent,
    [averageKey(overall)]: all,
  };
}

/** Δ of the general, the vision-dependent and all benchmarks. */
export function gains(general: number, visionDependent: number, all: number): Printed {
  return { [gainKey("general")]: general, [gainKey("vision-dependent")]: visionDependent, [gainKey(overall)]: all };
}

/** AVG over all where the groups' are not printed. */
export function overallAverage(all: number): Printed {
  return { [averageKey(overall)]: all };
}
