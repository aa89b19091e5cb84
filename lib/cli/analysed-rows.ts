// Rows that an analysis looks at: a data set or benchmarks.
import { ConfigError } from "../errors.ts";
import type { Benchmark } from "../eval/benchmarks/benchmark.ts";
import { benchmarkOfData } from "../eval/benchmarks/data-benchmark.ts";
import { resolveBenchmarks } from "../eval/benchmarks/registry.ts";

export interface RowWords {
  readonly data?: string | undefined;
  readonly benchmarks?: string | undefined;
  readonly benchmarkData?: string | undefined;
  readonly formatPrompt?: string | undefined;
  readonly promptKey: string;
  readonly answerKey: string;
  readonly imageKey: string;
  readonly idKey: string;
  readonly imageDir?: string | undefined;
}

/** A benchmark says these itself. */
const ofData = ["formatPrompt", "promptKey", "answerKey", "imageKey", "idKey", "imageDir"];
const optionName = (name: string) => `--${name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * @param isGiven whether an option was written on the command line, by its camel-case name
 * @throws {ConfigError} for both or neither, and for an option that goes with the other
 */
export function analysedRows(words: RowWords, isGiven: (name: string) => boolean): readonly Benchmark[] {
  const { data, benchmarks, benchmarkData, formatPrompt, promptKey, answerKey, imageKey, idKey, imageDir } = words;
  if ((data === undefined) === (benchmarks === undefined))
    throw new ConfigError("--data", "expected either --data or --benchmarks");
  if (data !== undefined)
    return [benchmarkOfData(data, { formatPrompt, promptKey, answerKey, imageKey, idKey, imageDir })];
  const alien = ofData.find(isGiven);
  if (alien !== undefined) throw new ConfigError(optionName(alien), "expected in the benchmark's YAML file, not with --benchmarks"); // prettier-ignore
  return resolveBenchmarks(benchmarks ?? "", { benchmarkData });
}
