// Training examples without end: a selected data set in the sampler's order, as prompts, unreadable rows replaced by
// the next ones.
import { DataError } from "../errors.ts";
import type { Processor } from "../processor/processor.ts";
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
   * The next `count` prompts; the caller releases them.
   * @throws {DataError} when too many rows are unusable
   */
  async next(count: number, signal?: AbortSignal): Promise<Prompt[]> {
    const prompts: Prompt[] = [];
    let rows = [...this.#sampler.next(count)];
    let { epoch } = this.#sampler;
    while (rows.length > 0) {
      signal?.throwIfAborted();
      const batch = rows.splice(0, parallelReads);
      const read = await Promise.all(batch.map((row) => this.#read(row, epoch)));
      prompts.push(...read.filter((prompt) => prompt !== undefined));
      // A replacement comes from the same order, so that a restored stream meets the same rows.
      if (rows.length === 0 && prompts.length < count) {
        rows = [...this.#sampler.next(count - prompts.length)];
        ({ epoch } = this.#sampler);
      }
    }
    return prompts;
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
