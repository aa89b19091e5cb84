// A data set of the command line as a benchmark, for commands that take either.
import { basename, resolve } from "node:path";
import { builtInFormatPrompts, dataPath } from "../../config/paths.ts";
import { type Benchmark, type BenchmarkSettings, benchmarkSchema, isBenchmarkId } from "./benchmark.ts";

export interface DataColumns extends Partial<
  Pick<BenchmarkSettings, "promptKey" | "answerKey" | "imageKey" | "idKey">
> {
  readonly imageDir?: string | undefined;
  readonly formatPrompt?: string | undefined;
}

/**
 * The benchmark whose rows are the data set's; its id and title are the data's name.
 * @param data as openDataset takes it
 */
export function benchmarkOfData(data: string, columns: DataColumns = {}): Benchmark {
  const { imageDir, formatPrompt, ...keys } = columns;
  const isFile = formatPrompt !== undefined && !builtInFormatPrompts.includes(formatPrompt);
  const settings = benchmarkSchema.parse({
    ...{ ...keys, data: dataPath(data, process.cwd()) },
    ...(imageDir === undefined ? {} : { imageDir: resolve(imageDir) }),
    formatPrompt: isFile ? resolve(formatPrompt) : (formatPrompt ?? null),
  });
  const id = idOf(data);
  return { ...settings, id, name: id };
}

/** `dir/charts.test.jsonl@train` -> `charts-test-train`. */
function idOf(data: string): string {
  const id = basename(data)
    .replace(/\.(?:parquet|jsonl|json)(?=$|@)/u, "")
    .replaceAll(/[^\w]+/gu, "-")
    .replaceAll(/^[-_]+|-+$/gu, "")
    .slice(0, 64);
  return isBenchmarkId(id) ? id : "data";
}
