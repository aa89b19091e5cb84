import type { Command } from "@commander-js/extra-typings";
import type { EvalSummary } from "../eval/eval-files.ts";
import { graderOption, integerFrom, numberIn, samplingOptions } from "./option-values.ts";

/** `papo eval`: avg@n of a checkpoint over a data set. */
export function registerEval(program: Command): void {
  program
    .command("eval")
    .description("measure a model's mean reward over a data set (avg@n); started again, it goes on where it stopped")
    .requiredOption("--model <dir>", "checkpoint folder or Hugging Face model id")
    .requiredOption("--data <spec>", "parquet or JSONL file, folder of shards, or hub id; path@split picks a split")
    .requiredOption("--out <path>", "folder for items.jsonl, settings.json and summary.json, or a .jsonl file")
    .addOption(samplingOptions.n())
    .option("--temperature <number>", "0: greedy", numberIn(0, 100), 1)
    .addOption(samplingOptions.topP())
    .addOption(samplingOptions.topK())
    .addOption(samplingOptions.maxTokens(2048))
    .addOption(samplingOptions.seed())
    .option("--batch <count>", "prompts generated together", integerFrom(1), 32)
    .option("--limit <count>", "only the first so many rows", integerFrom(1))
    .option("--reward <type>", "math, or the path of a module of yours", "math")
    .addOption(graderOption())
    .option("--format-weight <share>", "share of the format part of the math reward", numberIn(0, 1), 0.1)
    .addOption(samplingOptions.formatPrompt())
    .addOption(samplingOptions.system())
    .addOption(samplingOptions.minPixels())
    .addOption(samplingOptions.maxPixels())
    .option("--max-prompt-tokens <count>", "leave out longer prompts", integerFrom(1), 32_768)
    .option("--prompt-key <column>", "the question", "problem")
    .option("--answer-key <column>", "the ground truth", "answer")
    .option("--image-key <column>", "the list of pictures", "images")
    .option("--id-key <column>", "the row's unique id", "id")
    .option("--image-dir <dir>", "folder that relative picture paths start from (default: the data file's)")
    .option("--max-skipped-share <share>", "share of unusable rows past which it stops", numberIn(0, 1), 0.05)
    .addOption(samplingOptions.dtype())
    .addOption(samplingOptions.threads())
    .action(async ({ batch, promptKey, answerKey, imageKey, idKey, imageDir, maxSkippedShare, ...options }) => {
      const { runEvaluation } = await import("../eval/eval-run.ts");
      const { withInterrupt } = await import("./interrupt.ts");
      const columns = { promptKey, answerKey, imageKey, idKey, maxSkippedShare };
      const dataset = { ...columns, ...(imageDir === undefined ? {} : { imageDir }) };
      const summary = await withInterrupt((signal) => runEvaluation({ ...options, batchSize: batch, dataset, signal }));
      process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
      sayLeftOut(summary);
    });
}

function sayLeftOut({ numSkipped, numOverlong, skipped }: EvalSummary): void {
  if (numSkipped > 0) process.stderr.write(`papo: ${numSkipped} unusable rows left out, first: ${skipped[0] ?? ""}\n`);
  if (numOverlong > 0) process.stderr.write(`papo: ${numOverlong} rows left out: prompts over the limit\n`);
}
