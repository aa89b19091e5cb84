import { type Command, Option } from "@commander-js/extra-typings";
import { ConfigError } from "../errors.ts";
import type { EvalSummary } from "../eval/eval-files.ts";
import type { GraderName } from "../reward/grader-names.ts";
import { type BenchmarkWords, evaluateBenchmarks } from "./eval-benchmarks.ts";
import { columnOptions, graderOption, integerFrom, numberIn, samplingOptions } from "./option-values.ts";

/** `papo eval`: avg@n of a model over a data set or over benchmarks. */
export function registerEval(program: Command): void {
  program
    .command("eval")
    .description("measure a model over a data set or benchmarks (avg@n); started again, it goes on where it stopped")
    .option("--model <dir>", "checkpoint folder or Hugging Face model id; of a server, the model's name")
    .option("--data <spec>", "parquet or JSONL file, folder of shards, or hub id; path@split picks a split")
    .option("--benchmarks <names>", "all (the paper's nine), names or YAML files of yours, separated by commas")
    .option(
      "--benchmark-data <dir>",
      "folder with data/images, and data/papo where PAPO-Eval prepared it (default: the hub)",
    )
    .option("--accept-row-counts", "take benchmarks of another number of rows than they have to have")
    .addOption(new Option("--settings <preset>", "paper: what PAPO-Eval samples with").choices(["paper"] as const))
    .addOption(
      new Option("--engine <name>", "papo: a checkpoint; openai: a model behind an OpenAI-compatible server")
        .choices(["papo", "openai"] as const)
        .default("papo" as const),
    )
    .option("--base-url <address>", "the server, up to /v1; its key is taken from OPENAI_API_KEY")
    .option("--concurrency <count>", "rows that the server is asked at a time", integerFrom(1, 1024), 8)
    .option("--timeout <seconds>", "longest time for one answer of the server", numberIn(0.001, 86_400), 600)
    .option("--attempts <count>", "tries of a request that fails in passing", integerFrom(1, 100), 6)
    .requiredOption("--out <path>", "folder for what is found; with --data also a .jsonl file")
    .option(
      "--n <count>",
      "responses a row: the n of avg@n; 8 with --benchmarks where none is given",
      integerFrom(1),
      1,
    )
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
      if ((words.data === undefined) === (words.benchmarks === undefined))
        throw new ConfigError("--data", "expected either --data or --benchmarks");
      const { withInterrupt } = await import("./interrupt.ts");
      if (words.data === undefined) await withInterrupt((signal) => evaluateBenchmarks(words, isGiven, signal));
      else await withInterrupt((signal) => evaluateData({ ...words, data: words.data ?? "" }, isGiven, signal));
    });
}

interface DataWords extends BenchmarkWords {
  readonly data: string;
  readonly reward: string;
  readonly grader: GraderName;
  readonly formatWeight: number;
  readonly formatPrompt?: string | undefined;
  readonly promptKey: string;
  readonly answerKey: string;
  readonly imageKey: string;
  readonly idKey: string;
  readonly imageDir?: string | undefined;
}

const onlyOfBenchmarks = ["settings", "benchmarkData", "acceptRowCounts", "baseUrl"] as const;

async function evaluateData(words: DataWords, isGiven: (name: string) => boolean, signal: AbortSignal): Promise<void> {
  const alien = onlyOfBenchmarks.find(isGiven);
  if (alien !== undefined || words.engine === "openai")
    throw new ConfigError(
      "--benchmarks",
      `expected with ${alien === undefined ? "--engine openai" : optionName(alien)}`,
    );
  if (words.model === undefined) throw new ConfigError("--model", "expected a checkpoint folder or a hub id");
  const { runEvaluation } = await import("../eval/eval-run.ts");
  const { model, data, out, n, temperature, topP, topK, maxTokens, seed, batch, limit, reward, formatWeight, grader } =
    words;
  const { formatPrompt, system, minPixels, maxPixels, maxPromptTokens, dtype, device, threads } = words;
  const { promptKey, answerKey, imageKey, idKey, imageDir, maxSkippedShare } = words;
  const columns = { promptKey, answerKey, imageKey, idKey, maxSkippedShare };
  const summary = await runEvaluation({
    ...{
      model,
      data,
      out,
      n,
      temperature,
      topP,
      topK,
      maxTokens,
      seed,
      batchSize: batch,
      limit,
      reward,
      formatWeight,
      grader,
    },
    ...{ formatPrompt, system, minPixels, maxPixels, maxPromptTokens, dtype, device, threads },
    dataset: { ...columns, ...(imageDir === undefined ? {} : { imageDir }) },
    signal,
  });
  process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  sayLeftOut(summary);
}

const optionName = (name: string) => `--${name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`;

function sayLeftOut({ numSkipped, numOverlong, skipped }: EvalSummary): void {
  if (numSkipped > 0) process.stderr.write(`papo: ${numSkipped} unusable rows left out, first: ${skipped[0] ?? ""}\n`);
  if (numOverlong > 0) process.stderr.write(`papo: ${numOverlong} rows left out: prompts over the limit\n`);
}
