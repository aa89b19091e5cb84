import type { Command } from "@commander-js/extra-typings";
import type { GradeSummary } from "../eval/grade-file.ts";
import { graderOption, integerFrom } from "./option-values.ts";

/** `papo grade FILE.jsonl`: verdicts on answer pairs, as training and evaluation give them. */
export function registerGrade(program: Command): void {
  program
    .command("grade")
    .description("grade a file of answer pairs as training and evaluation do, and compare with given verdicts")
    .argument("<file>", "JSONL file with the columns gold and pred")
    .addOption(graderOption())
    .option("--against <column>", "column with verdicts (true, false) to compare with")
    .option("--out <file>", "JSONL file for the verdicts, a line a row")
    .option("--timeout <milliseconds>", "longest time of one symbolic comparison", integerFrom(1, 2 ** 31 - 1), 2_000)
    .option("--json", "print the summary as JSON")
    .action(async (file, { timeout, json, ...options }) => {
      const { gradeFile } = await import("../eval/grade-file.ts");
      const { withInterrupt } = await import("./interrupt.ts");
      const summary = await withInterrupt((signal) => gradeFile(file, { ...options, timeoutMs: timeout, signal }));
      process.stdout.write(`${json === true ? asJson(summary) : asText(summary, options.against)}\n`);
      sayLeftOut(summary);
    });
}

const asJson = ({ rows, right, agreement }: GradeSummary) =>
  JSON.stringify(agreement === null ? { rows, right } : { rows, agreement });

function asText({ rows, right, agreement, rowsPerSecond }: GradeSummary, against: string | undefined): string {
  const rate = `${Math.round(rowsPerSecond)} rows/s`;
  if (agreement === null) return `${rows} rows, ${right} right; ${rate}`;
  return `${rows} rows, ${(100 * agreement).toFixed(2)} % as ${against ?? ""} (${Math.round(rows * (1 - agreement))} differ); ${rate}`;
}

function sayLeftOut({ skipped, reports, overLimit }: GradeSummary): void {
  for (const report of reports) process.stderr.write(`papo: ${report}\n`);
  if (skipped > 0) process.stderr.write(`papo: ${skipped} unusable rows left out\n`);
  if (overLimit > 0) process.stderr.write(`papo: ${overLimit} answers ran over the limits of time or memory: wrong\n`);
}
