import { type Command, Option } from "@commander-js/extra-typings";
import type { AttentionSummary, BenchmarkAttention } from "../analysis/attention/attention-summary.ts";
import { ConfigError } from "../errors.ts";
import { settingsOf } from "./eval-benchmarks.ts";
import { columnOptions, integerFrom, numberIn, samplingOptions } from "./option-values.ts";

/** `papo attention`: how evenly responses look over their pictures. */
export function registerAttention(program: Command): void {
  program
    .command("attention")
    .description(
      "entropy of the attention from sampled responses to image tokens; started again, it goes on where it stopped",
    ) // prettier-ignore
    .requiredOption("--model <dir>", "checkpoint folder or Hugging Face model id")
    .option("--data <spec>", "parquet or JSONL file, folder of shards, or hub id; path@split picks a split")
    .option("--benchmarks <names>", "benchmarks as papo eval takes them, separated by commas")
    .option("--benchmark-data <dir>", "folder with data/images, as papo eval takes it (default: the hub)")
    .option("--accept-row-counts", "take benchmarks of another number of rows than they have to have")
    .requiredOption("--out <dir>", "folder for what is found")
    .option("--samples <count>", "rows of each set, evenly over it; one response each", integerFrom(1), 100)
    .addOption(new Option("--settings <preset>", "paper: what PAPO-Eval samples with").choices(["paper"] as const))
    .option("--temperature <number>", "0: greedy", numberIn(0, 100), 1)
    .addOption(samplingOptions.topP())
    .addOption(samplingOptions.topK())
    .addOption(samplingOptions.maxTokens(2048))
    .addOption(samplingOptions.seed())
    .option("--batch <count>", "rows sampled together", integerFrom(1), 32)
    .addOption(samplingOptions.formatPrompt())
    .addOption(samplingOptions.system())
    .addOption(samplingOptions.minPixels())
    .addOption(samplingOptions.maxPixels())
    .option("--max-prompt-tokens <count>", "leave out longer prompts", integerFrom(1), 32_768)
    .addOption(columnOptions.promptKey())
    .addOption(columnOptions.answerKey())
    .addOption(columnOptions.imageKey())
    .addOption(columnOptions.idKey())
    .addOption(columnOptions.imageDir())
    .option("--max-skipped-share <share>", "share of unusable rows past which it stops", numberIn(0, 1), 0.05)
    .addOption(samplingOptions.dtype())
    .addOption(samplingOptions.device())
    .addOption(samplingOptions.threads())
    .action(async (words, command) => {
      const isGiven = (name: string) => command.getOptionValueSource(name) === "cli";
      const [{ runAttention }, { analysedRows }, { withInterrupt }] = await Promise.all([
        import("../analysis/attention/attention-run.ts"),
        import("./analysed-rows.ts"),
        import("./interrupt.ts"),
      ]);
      if (words.out.endsWith(".jsonl")) throw new ConfigError("--out", `expected a folder, got ${words.out}`);
      const benchmarks = analysedRows(words, isGiven);
      const settings = { ...(await settingsOf({ ...words, n: 1 }, isGiven)), n: 1 } as const;
      const { model, out, samples, batch, dtype, device, threads, acceptRowCounts, maxSkippedShare } = words;
      const summary = await withInterrupt((signal) =>
        runAttention({
          ...{ model, benchmarks, settings, samples, out, batchSize: batch, dtype, device, threads },
          ...{ acceptRowCounts, maxSkippedShare, signal },
        }),
      );
      process.stdout.write(table(summary));
      for (const found of summary.benchmarks) sayLeftOut(found);
    });
}

function table({ benchmarks }: AttentionSummary): string {
  const share = (value: number | null) => (value === null ? "none" : value.toFixed(4));
  const rows = benchmarks.map(
    ({ benchmark, mean, median, meanImageShare, numSamples, complete }) =>
    [benchmark, share(mean), share(median), share(meanImageShare), `${numSamples}${complete ? "" : " (incomplete)"}`].join(" | "), // prettier-ignore
  );
  const head =
    "| benchmark | entropy, mean | median | attention on pictures | samples |\n| --- | --- | --- | --- | --- |\n";
  return head + rows.map((row) => `| ${row} |\n`).join("");
}

function sayLeftOut({ id, numSkipped, numOverlong, skipped }: BenchmarkAttention): void {
  if (numSkipped > 0) process.stderr.write(`papo: ${id}: ${numSkipped} rows left out, first: ${skipped[0] ?? "none told"}\n`); // prettier-ignore
  if (numOverlong > 0) process.stderr.write(`papo: ${id}: ${numOverlong} rows left out: prompts over the limit\n`);
}
