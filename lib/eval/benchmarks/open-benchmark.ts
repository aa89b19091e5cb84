// A benchmark's rows as a data set, checked: their number, unique ids, and which of them can be asked.
import { openDataset, type Dataset } from "../../data/dataset.ts";
import { type SelectedDataset, selectRows } from "../../data/select.ts";
import { SkipCounter } from "../../data/skips.ts";
import { DataError } from "../../errors.ts";
import { miniatureExamples } from "../../miniature/dataset.ts";
import { loadFormatPrompt } from "../../processor/template.ts";
import type { Example } from "../../types.ts";
import { type Benchmark, evalRowId, ownId } from "./benchmark.ts";
import { evalRepository } from "./published.ts";

export interface OpenOptions {
  /** Whether a row can be asked: its prompt is within the limit. */
  readonly fits?: (example: Example) => Promise<boolean>;
  /** Only the first so many rows after the filter. */
  readonly limit?: number | undefined;
  /** Whether another number of rows than the benchmark's is taken. */
  readonly acceptRowCounts?: boolean | undefined;
  readonly maxSkippedShare?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface OpenedBenchmark {
  readonly benchmark: Benchmark;
  /** Rows to ask; their problem is the whole user message, their id starts with the benchmark's. */
  readonly dataset: Dataset;
  /** Rows of the data that pass the filter, unusable ones included. */
  readonly rowsSeen: number;
  readonly numOverlong: number;
  /** Unusable rows. */
  readonly numSkipped: number;
  /** `file:row: reason` of the first of them. */
  readonly skipped: readonly string[];
}

/**
 * @throws {DataError} when the data is not there, has another number of rows than it has to, two rows have one id, or
 *   too many rows are unusable
 */
export async function openBenchmark(benchmark: Benchmark, options: OpenOptions = {}): Promise<OpenedBenchmark> {
  const whole = await openRows(benchmark, options);
  const prompt = await loadFormatPrompt(benchmark.formatPrompt);
  const asked = asUserMessages(whole, benchmark, prompt);
  const counts = { seen: 0, kept: 0, overlong: 0 };
  const repeats = new RepeatedIds();
  const selected = await select(benchmark, asked, {
    ...options,
    keep: async (example) => {
      if (!passesFilter(example, benchmark)) return false;
      counts.seen += 1;
      repeats.add(example);
      if (options.limit !== undefined && counts.kept >= options.limit) return false;
      const fits = (await options.fits?.(example)) ?? true;
      if (fits) counts.kept += 1;
      else counts.overlong += 1;
      return fits;
    },
  });
  if (repeats.first) throw repeats.first;
  const { skipped: numSkipped, reports } = selected.skips;
  const rowsSeen = counts.seen + numSkipped;
  const { rows } = benchmark;
  if (rows !== undefined && rowsSeen !== rows && options.acceptRowCounts !== true)
    throw new DataError(whole.name, undefined, `${benchmark.id}: expected ${rows} rows, got ${rowsSeen}; --accept-row-counts takes them as they are`); // prettier-ignore
  return { benchmark, dataset: selected, rowsSeen, numOverlong: counts.overlong, numSkipped, skipped: [...reports] };
}

async function select(
  { data }: Benchmark,
  dataset: Dataset,
  { keep, onProgress, signal }: OpenOptions & { readonly keep: (example: Example) => Promise<boolean> },
): Promise<SelectedDataset> {
  try {
    return await selectRows(dataset, { keep, ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) });
  } catch (error) {
    if (!(error instanceof DataError) || !data?.startsWith(`${evalRepository}@`)) throw error;
    const hint =
      "its pictures are zip files on the hub: unpack them as docs/evaluation.md says and name --benchmark-data";
    throw new DataError(data, undefined, `${error.message}; ${hint}`, { cause: error });
  }
}

async function openRows(benchmark: Benchmark, { maxSkippedShare, signal }: OpenOptions): Promise<Dataset> {
  const { id, data, miniature, layout, promptKey, answerKey, imageKey, idKey, imageDir } = benchmark;
  const share = maxSkippedShare === undefined ? {} : { maxSkippedShare };
  if (miniature !== undefined) {
    const { kinds, ...scene } = miniature;
    const examples = miniatureExamples({ split: "eval", ...scene, ...(kinds ? { kinds } : {}) });
    return await inMemory(id, examples, maxSkippedShare ?? 0.05);
  }
  return await openDataset(data ?? "", {
    ...{ layout, promptKey, answerKey, imageKey, idKey, ...share },
    ...(imageDir === undefined ? {} : { imageDir }),
    hub: signal ? { signal } : {},
  });
}

async function inMemory(name: string, rows: AsyncIterable<Example>, maxSkippedShare: number): Promise<Dataset> {
  const examples: Example[] = [];
  for await (const example of rows) examples.push(example);
  const read = (index: number) => {
    const example = examples[index];
    if (example === undefined) throw new RangeError(`[Dataset.read] index: expected 0 to ${examples.length - 1}, got ${index}`); // prettier-ignore
    return Promise.resolve(example);
  };
  return { name, length: examples.length, skips: new SkipCounter(name, maxSkippedShare), read };
}

function asUserMessages(dataset: Dataset, { id }: Benchmark, prompt: (question: string) => string): Dataset {
  const read = async (index: number) => {
    const example = await dataset.read(index);
    return { ...example, id: evalRowId(id, example.id), problem: prompt(example.problem) };
  };
  return { name: dataset.name, length: dataset.length, skips: dataset.skips, read };
}

function passesFilter({ extra }: Example, { filter }: Benchmark): boolean {
  return Object.entries(filter).every(([column, wanted]) => {
    const value = Object.hasOwn(extra, column) ? extra[column] : undefined;
    return Array.isArray(wanted) ? wanted.some((one) => one === value) : wanted === value;
  });
}

/** Finds the first id that two rows have. It is no row's fault that could be skipped: nobody knows which is meant. */
class RepeatedIds {
  first: DataError | undefined;
  readonly #rowOfId = new Map<string, number>();

  add({ id, file, row }: Example): void {
    const before = this.#rowOfId.get(id);
    if (before === undefined) this.#rowOfId.set(id, row);
    else this.first ??= new DataError(file, row, `id: expected a unique one, got that of row ${before}: ${ownId(id)}`);
  }
}
