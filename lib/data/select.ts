// One pass over a data set that leaves out what cannot be used, so that training meets usable rows with unique ids.
import { createHash } from "node:crypto";
import { DataError } from "../errors.ts";
import type { Example } from "../types.ts";
import type { Dataset } from "./dataset.ts";
import type { SkipCounter } from "./skips.ts";

export interface SelectOptions {
  /** Whether a usable row is wanted, for example because its prompt is short enough; a DataError skips the row. */
  readonly keep?: (example: Example) => boolean | Promise<boolean>;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A data set without the rows that a {@link selectRows} pass left out. */
export interface SelectedDataset extends Dataset {
  /** Usable rows that `keep` did not want. */
  readonly numDropped: number;
}

/**
 * Reads every row once, in order; skips and counts the unusable ones, drops those that `keep` does not want, and makes
 * repeated ids unique by appending `#` and the row's number in the data set, the same wherever the files lie. Holds 5 bytes a row afterwards.
 * @throws {DataError} when too many rows are unusable or none is left
 */
export async function selectRows(dataset: Dataset, options: SelectOptions = {}): Promise<SelectedDataset> {
  const rows = new Uint32Array(dataset.length);
  const repeated = new Uint8Array(dataset.length);
  const ids = new HashSet(dataset.length);
  let numKept = 0;
  let numDropped = 0;
  for (let index = 0; index < dataset.length; index += 1) {
    options.signal?.throwIfAborted();
    const verdict = await judge(dataset, index, options.keep);
    if (verdict instanceof DataError) dataset.skips.skip(verdict);
    else {
      dataset.skips.accept();
      if (verdict === undefined) numDropped += 1;
      else {
        repeated[numKept] = ids.add(verdict.id) ? 0 : 1;
        rows[numKept++] = index;
      }
    }
    options.onProgress?.(index + 1, dataset.length);
  }
  dataset.skips.judge();
  if (numKept === 0)
    throw new DataError(
      dataset.name,
      undefined,
      `no row is left: ${dataset.skips.skipped} unusable, ${numDropped} dropped`,
    );
  return new Selection(dataset, rows.slice(0, numKept), repeated.slice(0, numKept), numDropped);
}

/** The row, undefined when it is not wanted, the reason when it is unusable. */
async function judge(
  dataset: Dataset,
  index: number,
  keep: SelectOptions["keep"],
): Promise<Example | undefined | DataError> {
  try {
    const example = await dataset.read(index);
    return !keep || (await keep(example)) ? example : undefined;
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}

class Selection implements SelectedDataset {
  readonly name: string;
  readonly length: number;
  readonly skips: SkipCounter;
  readonly numDropped: number;
  readonly #dataset: Dataset;
  readonly #rows: Uint32Array;
  readonly #repeated: Uint8Array;

  constructor(dataset: Dataset, rows: Uint32Array, repeated: Uint8Array, numDropped: number) {
    this.name = dataset.name;
    this.length = rows.length;
    this.skips = dataset.skips;
    this.numDropped = numDropped;
    this.#dataset = dataset;
    this.#rows = rows;
    this.#repeated = repeated;
  }

  async read(index: number): Promise<Example> {
    const row = this.#rows[index];
    if (row === undefined)
      throw new RangeError(`[Dataset.read] index: expected an integer from 0 to ${this.length - 1}, got ${index}`);
    const example = await this.#dataset.read(row);
    return this.#repeated[index] ? { ...example, id: `${example.id}#${row + 1}` } : example;
  }
}

/** 48-bit hashes of texts, 16 bytes for each; two of a million texts are mixed up once in 500 runs, to no harm. */
class HashSet {
  readonly #slots: Float64Array;

  constructor(maxTexts: number) {
    this.#slots = new Float64Array(2 * maxTexts + 1);
  }

  /** False when the text was there. */
  add(text: string): boolean {
    const hash = 1 + createHash("sha1").update(text).digest().readUIntBE(0, 6);
    let slot = hash % this.#slots.length;
    while (this.#slots[slot] !== 0) {
      if (this.#slots[slot] === hash) return false;
      slot = (slot + 1) % this.#slots.length;
    }
    this.#slots[slot] = hash;
    return true;
  }
}
