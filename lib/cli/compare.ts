import type { Command } from "@commander-js/extra-typings";
import { integerFrom } from "./option-values.ts";

/** `papo compare`: two evaluations side by side. */
export function registerCompare(program: Command): void {
  program
    .command("compare")
    .description("difference of two evaluations of the same rows, with paired bootstrap intervals")
    .argument("<a>", "--out folder of a papo eval --benchmarks")
    .argument("<b>", "another one, with the same settings")
    .option("--benchmarks <names>", "only these, separated by commas")
    .option("--resamples <count>", "draws of the bootstrap", integerFrom(100, 1_000_000), 10_000)
    .option("--seed <integer>", "root of the draws", integerFrom(0), 0)
    .option("--json", "one JSON object in place of the table")
    .action(async (a, b, { benchmarks, resamples, seed, json }) => {
      const { compareEvaluations, comparisonMarkdown } = await import("../eval/compare/compare.ts");
      const names = benchmarks?.split(",").map((name) => name.trim());
      const comparison = await compareEvaluations(a, b, { benchmarks: names, resamples, seed });
      process.stdout.write(json ? `${JSON.stringify(comparison, null, 2)}\n` : comparisonMarkdown(comparison));
    });
}
