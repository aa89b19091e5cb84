// `papo eval --benchmarks`: words of the command line -> settings, engine and benchmarks; what is said about the result.
import { ConfigError } from "../errors.ts";
import type { DeviceName } from "../native/binding.ts";
import type { Engine } from "../eval/benchmarks/engine.ts";
import type { EvaluationSettings, TrainingComparison } from "../eval/benchmarks/settings.ts";
import type { EvaluationSummary } from "../eval/benchmarks/summary.ts";

export interface BenchmarkWords {
  readonly model?: string | undefined;
  readonly benchmarks?: string | undefined;
  readonly benchmarkData?: string | undefined;
  readonly acceptRowCounts?: boolean | undefined;
  readonly settings?: "paper" | undefined;
  readonly engine: "papo" | "openai";
  readonly baseUrl?: string | undefined;
  readonly concurrency: number;
  readonly timeout: number;
  readonly attempts: number;
  readonly out: string;
  readonly n: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly maxTokens: number;
  readonly maxPromptTokens: number;
  readonly seed: number;
  readonly system?: string | undefined;
  readonly minPixels?: number | undefined;
  readonly maxPixels?: number | undefined;
  readonly batch: number;
  readonly limit?: number | undefined;
  readonly maxSkippedShare: number;
  readonly dtype?: "float32" | "bfloat16" | undefined;
  readonly device?: DeviceName | undefined;
  readonly threads?: number | undefined;
}

/** A benchmark says these itself. */
const ofBenchmarks = ["reward", "grader", "formatWeight", "formatPrompt", "promptKey", "answerKey", "imageKey", "idKey", "imageDir"]; // prettier-ignore

/** @param isGiven whether an option was written on the command line, by its camel-case name */
export async function evaluateBenchmarks(
  words: BenchmarkWords,
  isGiven: (name: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const alien = ofBenchmarks.find(isGiven);
  if (alien !== undefined) throw new ConfigError(alien, "expected in the benchmark's YAML file, not with --benchmarks");
  if (words.out.endsWith(".jsonl")) throw new ConfigError("--out", `expected a folder with --benchmarks, got ${words.out}`); // prettier-ignore
  const { compareWithTraining } = await import("../eval/benchmarks/settings.ts");
  const { resolveBenchmarks } = await import("../eval/benchmarks/registry.ts");
  const { runBenchmarks } = await import("../eval/benchmarks/benchmark-run.ts");
  const { markdownOf } = await import("../eval/benchmarks/summary-markdown.ts");
  const benchmarks = resolveBenchmarks(words.benchmarks ?? "", { benchmarkData: words.benchmarkData });
  const settings = await settingsOf(words, isGiven);
  if (words.engine === "papo") say(await compareWithTraining(settings, words.model ?? ""));
  const engine = await openEngine(words, settings, signal);
  const { out, limit, acceptRowCounts, maxSkippedShare } = words;
  const summary = await runBenchmarks({ benchmarks, settings, engine, out, limit, acceptRowCounts, maxSkippedShare, signal }); // prettier-ignore
  process.stdout.write(markdownOf(summary));
  sayLeftOut(summary);
}

type SettingWords = Pick<
  BenchmarkWords,
  "settings" | "n" | "temperature" | "topP" | "topK" | "maxTokens" | "maxPromptTokens" | "seed" | "system" | "minPixels" | "maxPixels"
>; // prettier-ignore

/** What is written on the command line, over the preset's value, over the default. */
export async function settingsOf(words: SettingWords, isGiven: (name: string) => boolean): Promise<EvaluationSettings> {
  const { defaultSettings, settingsPresets } = await import("../eval/benchmarks/settings.ts");
  const base = words.settings === undefined ? defaultSettings : settingsPresets[words.settings];
  const { n, temperature, topP, topK, maxTokens, maxPromptTokens, seed, system, minPixels, maxPixels } = words;
  const written = { n, temperature, topP, topK, maxTokens, maxPromptTokens, seed, system, minPixels, maxPixels };
  const given = Object.fromEntries(Object.entries(written).filter(([name]) => isGiven(name)));
  const settings = { ...base, ...given };
  const { minPixels: least, maxPixels: most } = settings;
  if (least !== null && most !== null && least > most)
    throw new ConfigError("--min-pixels", `expected at most --max-pixels (${most}), got ${least}`);
  return settings;
}

async function openEngine(words: BenchmarkWords, settings: EvaluationSettings, signal: AbortSignal): Promise<Engine> {
  const { model, baseUrl, concurrency } = words;
  if (words.engine === "openai") {
    if (baseUrl === undefined) throw new ConfigError("--base-url", "expected with --engine openai");
    const { OpenAiEngine } = await import("../eval/openai/openai-engine.ts");
    const apiKey = process.env["OPENAI_API_KEY"]?.trim() || undefined;
    const retries = { attempts: words.attempts, baseDelayMs: 1000, maxDelayMs: 60_000 };
    return await OpenAiEngine.open(settings, { ...retries, model, baseUrl, concurrency, apiKey, timeoutMs: words.timeout * 1000, signal }); // prettier-ignore
  }
  if (baseUrl !== undefined) throw new ConfigError("--base-url", "expected with --engine openai only");
  if (model === undefined) throw new ConfigError("--model", "expected a checkpoint folder or a hub id");
  const { LocalEngine } = await import("../eval/benchmarks/local-engine.ts");
  return await LocalEngine.open(settings, { model, batchSize: words.batch, dtype: words.dtype, device: words.device, threads: words.threads, signal }); // prettier-ignore
}

function say({ source, differences }: TrainingComparison): void {
  if (differences.length === 0) return;
  const show = (value: unknown) => (value === null ? "none" : JSON.stringify(value));
  const lines = differences.map(
    ({ setting, here, training }) => `  ${setting} ${show(here)}, in training ${show(training)}`,
  );
  process.stderr.write(`papo: settings that differ from training's, ${source}:\n${lines.join("\n")}\n`);
}

function sayLeftOut({ benchmarks, skipped, counters }: EvaluationSummary): void {
  const { shortAnswers = 0 } = counters;
  if (shortAnswers > 0) process.stderr.write(`papo: ${shortAnswers} answers with fewer choices than asked for, which were asked for again\n`); // prettier-ignore
  for (const { id, numSkipped, numOverlong, skipped: first } of benchmarks) {
    if (numSkipped > 0) process.stderr.write(`papo: ${id}: ${numSkipped} rows left out, first: ${[...first, ...skipped][0] ?? "none told"}\n`); // prettier-ignore
    if (numOverlong > 0) process.stderr.write(`papo: ${id}: ${numOverlong} rows left out: prompts over the limit\n`);
  }
}
