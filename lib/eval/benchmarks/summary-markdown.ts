import type { BenchmarkSummary, EvaluationSummary } from "./summary.ts";

const percent = (share: number) => (100 * share).toFixed(2);
const spread = (interval: BenchmarkSummary["interval"]) =>
  interval === null ? "" : ` [${percent(interval.low)}, ${percent(interval.high)}]`;

/** The summary as a Markdown table: percentages, `*` at what is not complete. */
export function markdownOf({ identity, settings, benchmarks, averages }: EvaluationSummary): string {
  const n = String(settings["n"]);
  const line = (...cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const mark = (complete: boolean) => (complete ? "" : " *");
  const rows = benchmarks.map((benchmark) =>
    line(
      benchmark.name + mark(benchmark.complete),
      benchmark.group,
      `${benchmark.rows} of ${benchmark.rowsExpected ?? benchmark.rowsSeen}`,
      percent(benchmark.avgAtN) + spread(benchmark.interval),
      ...[benchmark.passAtN, benchmark.majorityAtN, benchmark.cutShare].map(percent),
    ),
  );
  const means = Object.entries(averages).map(
    ([name, average]) =>
    line(`**${name}**${mark(average.complete)}`, "", `${average.benchmarks.length} benchmarks`, ...[average.avgAtN, average.passAtN, average.majorityAtN].map(percent), ""), // prettier-ignore
  );
  const notes = benchmarks.every(({ complete }) => complete) ? [] : ["", "\\* not all rows that were expected"];
  const shown = Object.entries(settings).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return [
    `# ${String(identity["model"])}`,
    "",
    line("benchmark", "group", "rows", `avg@${n}`, `pass@${n}`, `majority@${n}`, "cut off"),
    line("---", "---", "---:", "---:", "---:", "---:", "---:"),
    ...rows,
    ...means,
    ...notes,
    "",
    `Percentages, with 95 % bootstrap intervals over rows. ${shown.join(", ")}.`,
    "",
  ].join("\n");
}
