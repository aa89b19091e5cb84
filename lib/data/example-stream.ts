// Training examples without end: a selected data set in the sampler's order, as prompts, unreadable rows replaced by
// the next ones.
import { DataError } from "../errors.ts";
import { type Processor, releasePrompt } from "../processor/processor.ts";
import type { Prompt } from "../types.ts";
import type { Dataset } from "./dataset.ts";
import { IndexSampler, type SamplerState } from "./sampler.ts";

/** Pictures decoded at a time. */
const parallelReads = 4;

export interface StreamOptions {
  readonly seed: number;
  readonly shuffle: boolean;
  /** Takes one line for each of the first skipped rows. */
  readonly say: (line: string) => void;
}

export class ExampleStream {
  readonly #dataset: Dataset;
  readonly #processor: Processor;
  readonly #sampler: IndexSampler;
  readonly #say: (line: string) => void;

  constructor(dataset: Dataset, processor: Processor, { seed, shuffle, say }: StreamOptions) {
    this.#dataset = dataset;
    this.#processor = processor;
    this.#sampler = new IndexSampler({ length: dataset.length, seed, shuffle, dropLast: true });
    this.#say = say;
  }

  /** Of the rows given out last, from 0. */
  get epoch(): number {
    return this.#sampler.epoch;
  }

  /** Unusable rows met so far. */
  get numSkipped(): number {
    return this.#dataset.skips.skipped;
  }

  state(): SamplerState {
    return this.#sampler.state();
  }

  restore(state: SamplerState): void {
    this.#sampler.restore(state);
  }

  /**
   * The next `count` prompts in the sampler's order; the caller releases them.
   * @throws {DataError} when too many rows are unusable, or all that a whole pass reads
   */
  async next(count: number, signal?: AbortSignal): Promise<Prompt[]> {
    const prompts: (Prompt | undefined)[] = [];
    let numInVain = 0;
    try {
      for (let missing = count; missing > 0;) {
        if (numInVain >= this.#dataset.length) throw this.#nothingUsable(numInVain);
        // A replacement comes from the same order, so that a restored stream meets the same rows.
        const rows = this.#sampler.next(missing);
        await this.#readInto(prompts, rows, signal);
        const numFound = prompts.slice(-rows.length).filter((prompt) => prompt !== undefined).length;
        numInVain = numFound > 0 ? 0 : numInVain + rows.length;
        missing -= numFound;
      }
      return prompts.filter((prompt) => prompt !== undefined);
    } catch (error) {
      for (const prompt of prompts) if (prompt) releasePrompt(prompt);
      throw error;
    }
  }

  /** Appends a prompt for each row, read in the data set's order: each parquet row group is then decoded once a call. */
  async #readInto(prompts: (Prompt | undefined)[], rows: Uint32Array, signal?: AbortSignal): Promise<void> {
    const { epoch } = this.#sampler;
    const first = prompts.length;
    prompts.length += rows.length;
    const reads = Array.from(rows, (row, index) => ({ row, place: first + index })).sort((a, b) => a.row - b.row);
    while (reads.length > 0) {
      signal?.throwIfAborted();
      const batch = reads.splice(0, parallelReads);
      // All of them settle before the first failure counts, so that no prompt comes after the others are released.
      const outcomes = await Promise.allSettled(
        batch.map(async ({ row, place }) => {
          prompts[place] = await this.#read(row, epoch);
        }),
      );
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    }
  }

  #nothingUsable(numRows: number): DataError {
    const { name, skips } = this.#dataset;
    return new DataError(
      name,
      undefined,
      `none of the last ${numRows} rows is usable; first: ${skips.reports[0] ?? ""}`,
    );
  }

  async #read(row: number, epoch: number): Promise<Prompt | undefined> {
    try {
      const prompt = await this.#processor.prepare(await this.#dataset.read(row), epoch);
      this.#dataset.skips.accept();
      return prompt;
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      if (this.#dataset.skips.skip(error)) this.#say(`skipped ${error.message}`);
      return undefined;
    }
  }
}
