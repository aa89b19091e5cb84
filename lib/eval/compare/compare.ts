// Two evaluations side by side, as far as they asked the same rows with the same settings.
import { isDeepStrictEqual } from "node:util";
import { ConfigError } from "../../errors.ts";
import { benchmarkGroups } from "../benchmarks/benchmark.ts";
import { type BootstrapOptions, intervalOf, resampledMeans, type RowValues } from "../bootstrap.ts";
import { type EvaluatedBenchmark, readEvaluation } from "./read-evaluation.ts";

export interface ComparedRow {
  /** A benchmark's id, a group, or `overall`. */
  readonly id: string;
  readonly kind: "benchmark" | "average";
  /** Mean accuracy of each, in [0, 1]. */
  readonly a: number;
  readonly b: number;
  /** B - A with its interval. */
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  readonly numRows: number;
  /** Every row that was expected has been evaluated. */
  readonly complete: boolean;
}

export interface Comparison {
  readonly a: string;
  readonly b: string;
  readonly level: number;
  readonly resamples: number;
  readonly seed: number;
  /** Benchmarks, then their groups, then `overall`. */
  readonly rows: readonly ComparedRow[];
}

export interface CompareOptions extends BootstrapOptions {
  /** Only these; default: all, and both evaluations have to have the same. */
  readonly benchmarks?: readonly string[] | undefined;
}

/** Settings that say which model answered and where rows lie: two evaluations to compare may differ in them. */
const freeSettings = new Set(["engine", "model", "baseUrl", "weights", "dtype", "seed", "benchmark", "limit"]);

/**
 * Differences B - A of avg@n with bootstrap intervals over rows, per benchmark, group and overall. The same folders
 * give the same numbers.
 * @throws {ConfigError} when the evaluations have other benchmarks, other settings or other rows
 */
export async function compareEvaluations(a: string, b: string, options: CompareOptions = {}): Promise<Comparison> {
  const { resamples = 10_000, level = 0.95, seed = 0 } = options;
  const [left, right] = [await readEvaluation(a), await readEvaluation(b)];
  const ids = options.benchmarks ?? [...new Set([...left.keys(), ...right.keys()])];
  const pairs = ids.map((id) => {
    const [one, other] = [left.get(id), right.get(id)];
    if (one === undefined || other === undefined)
      throw new ConfigError(id, `expected in both evaluations, ${one === undefined ? a : b} has not evaluated it; --benchmarks names what to compare`); // prettier-ignore
    return pair(id, one, other);
  });
  const drawn = pairs.map(({ paired }) => resampledMeans(paired, resamples, seed));
  const rowOf = (id: string, kind: ComparedRow["kind"], members: readonly number[]): ComparedRow => {
    const chosen = members.flatMap((at) => pairs[at] ?? []);
    const {
      mean: difference,
      low,
      high,
    } = intervalOf(
      chosen.map(({ paired }) => paired),
      members.flatMap((at) => drawn[at] ?? []),
      { level },
    );
    const mean = (value: (pair: Pair) => number) => chosen.reduce((sum, one) => sum + value(one), 0) / chosen.length;
    return {
      id,
      kind,
      a: mean((one) => one.a),
      b: mean((one) => one.b),
      numRows: chosen.reduce((sum, { paired }) => sum + paired.values.length, 0),
      complete: chosen.every((one) => one.complete),
      ...{ difference, low, high },
    };
  };
  const all = pairs.map((_, at) => at);
  const groups = benchmarkGroups
    .map((group) => ({ group, members: all.filter((at) => pairs[at]?.group === group) }))
    .filter(({ members }) => members.length > 0)
    .map(({ group, members }) => rowOf(group, "average", members));
  const benchmarks = ids.map((id, at) => rowOf(id, "benchmark", [at]));
  return { a, b, level, resamples, seed, rows: [...benchmarks, ...groups, rowOf("overall", "average", all)] };
}

interface Pair {
  readonly paired: RowValues;
  readonly group: string;
  readonly a: number;
  readonly b: number;
  readonly complete: boolean;
}

function pair(id: string, left: EvaluatedBenchmark, right: EvaluatedBenchmark): Pair {
  throwUnlessSameSettings(id, left, right);
  const ids = [...left.rows.keys()].sort();
  const missing = ids.find((row) => !right.rows.has(row)) ?? [...right.rows.keys()].find((row) => !left.rows.has(row));
  if (missing !== undefined)
    throw new ConfigError(id, `expected the same rows, got ${left.rows.size} and ${right.rows.size}; only one has ${missing}`); // prettier-ignore
  const changed = ids.find((row) => left.rows.get(row)?.rowHash !== right.rows.get(row)?.rowHash);
  if (changed !== undefined) throw new ConfigError(id, `expected the same rows, got two questions or answers as ${changed}`); // prettier-ignore
  if (ids.length === 0) throw new ConfigError(id, "expected rows, got none");
  const accuracies = (of: EvaluatedBenchmark) => ids.map((row) => of.rows.get(row)?.accuracy ?? 0);
  const [a, b] = [accuracies(left), accuracies(right)];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const values = Float64Array.from(b, (value, at) => value - (a[at] ?? 0));
  const { group, complete } = left.summary;
  return { paired: { id, values }, group, a: mean(a), b: mean(b), complete: complete && right.summary.complete };
}

function throwUnlessSameSettings(id: string, left: EvaluatedBenchmark, right: EvaluatedBenchmark): void {
  const keys = [...new Set([...Object.keys(left.settings), ...Object.keys(right.settings)])];
  const key = keys.find((name) => !freeSettings.has(name) && !isDeepStrictEqual(left.settings[name], right.settings[name])); // prettier-ignore
  const show = ({ settings }: EvaluatedBenchmark, name: string) => JSON.stringify(settings[name] ?? null);
  if (key !== undefined)
    throw new ConfigError(id, `expected the same settings, got ${key} ${show(left, key)} and ${show(right, key)}`);
  // Also the benchmark's own: grader, format prompt, filter.
  if (left.summary.settingsFingerprint === right.summary.settingsFingerprint) return;
  throw new ConfigError(id, `expected the same benchmark, got ${show(left, "benchmark")} and ${show(right, "benchmark")}`); // prettier-ignore
}

const points = (share: number) => (100 * share).toFixed(2);
const signed = (share: number) => (share >= 0 ? "+" : "") + points(share);

/** The comparison as a Markdown table: percentages, intervals in percentage points. */
export function comparisonMarkdown({ a, b, level, resamples, rows }: Comparison): string {
  const line = (...cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line("avg@n, %", "rows", "A", "B", "B - A", `${100 * level} % interval`),
    line("---", "---:", "---:", "---:", "---:", "---:"),
    ...rows.map((row) =>
      line(
        (row.kind === "average" ? `**${row.id}**` : row.id) + (row.complete ? "" : " *"),
        String(row.numRows),
        ...[points(row.a), points(row.b), signed(row.difference), `[${signed(row.low)}, ${signed(row.high)}]`],
      ),
    ),
    ...(rows.every(({ complete }) => complete) ? [] : ["", "\\* not all rows that were expected"]),
    "",
    `A: ${a}. B: ${b}. Paired bootstrap over rows, ${resamples} draws; averages weigh benchmarks alike.`,
    "",
  ].join("\n");
}
