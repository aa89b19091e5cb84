// A data set as batches of prompts, in order, for evaluation and validation.
import type { Dataset } from "../data/dataset.ts";
import { SkipCounter } from "../data/skips.ts";
import { DataError } from "../errors.ts";
import { type Processor, releasePrompt } from "../processor/processor.ts";
import type { Example, Prompt } from "../types.ts";

export interface PromptBatchOptions {
  /** Rows a batch; -1: all. */
  readonly batchSize: number;
  /** Share of rows that turn out unusable, in [0, 1], past which the pass ends in an error; default 0.05. */
  readonly maxSkippedShare?: number | undefined;
  /** Counts unusable rows; default: one of its own. */
  readonly skips?: SkipCounter | undefined;
  /** Rows to leave out, for evaluations that go on where they stopped. */
  readonly isDone?: ((example: Example) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PromptBatch {
  /** The batch's first row. */
  readonly first: number;
  readonly prompts: readonly Prompt[];
}

/** One pass; its count of unusable rows is beside the one that left out rows before. */
export class PromptBatches {
  readonly skips: SkipCounter;
  readonly #dataset: Dataset;
  readonly #processor: Processor;
  readonly #options: PromptBatchOptions;

  constructor(dataset: Dataset, processor: Processor, options: PromptBatchOptions) {
    this.skips = options.skips ?? new SkipCounter(dataset.name, options.maxSkippedShare ?? 0.05);
    this.#dataset = dataset;
    this.#processor = processor;
    this.#options = options;
  }

  /**
   * Batches that have prompts; each one's prompts are released when the next one is asked for.
   * @throws {DataError} when too many rows are unusable, or all
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<PromptBatch> {
    const { length, name } = this.#dataset;
    const batchSize = this.#options.batchSize === -1 ? length : this.#options.batchSize;
    for (let first = 0; first < length; first += batchSize) {
      const prompts: Prompt[] = [];
      try {
        for (let row = first; row < Math.min(length, first + batchSize); row += 1) {
          this.#options.signal?.throwIfAborted();
          const prompt = await this.#read(row);
          if (prompt) prompts.push(prompt);
        }
        if (prompts.length > 0) yield { first, prompts };
      } finally {
        for (const prompt of prompts) releasePrompt(prompt);
      }
    }
    this.skips.judge();
    if (this.skips.skipped === length)
      throw new DataError(name, undefined, `no row is usable; first: ${this.skips.reports[0] ?? ""}`);
  }

  /** Undefined where the row is done already or unusable, which is counted. */
  async #read(row: number): Promise<Prompt | undefined> {
    try {
      const example = await this.#dataset.read(row);
      const prompt = this.#options.isDone?.(example) ? undefined : await this.#processor.prepare(example);
      this.skips.accept();
      return prompt;
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      this.skips.skip(error);
      return undefined;
    }
  }
}
