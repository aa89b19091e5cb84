// The order in which training visits rows: a new permutation each epoch, a function of (seed, epoch) alone.
import { PhiloxStream } from "./philox.ts";

/** What a resumed run needs; plain JSON. */
export interface SamplerState {
  /** Rows of the data set, to notice that it changed. */
  readonly length: number;
  readonly seed: number;
  /** From 0. */
  readonly epoch: number;
  /** Rows of the epoch already given out. */
  readonly position: number;
}

export interface SamplerOptions {
  /** Rows of the data set, 1 to 2^32 - 1. */
  readonly length: number;
  /** Safe integer, 0 or more. */
  readonly seed: number;
  /** Without it the rows come in order, the same every epoch. */
  readonly shuffle: boolean;
  /** Training leaves out the last batch of an epoch when it is not full; validation keeps it. */
  readonly dropLast: boolean;
}

/** Purpose word of the random stream: keeps it apart from other uses of the run's seed. */
const shufflePurpose = 0x5f5f5f01;

/**
 * Row indices epoch after epoch. The order within an epoch does not depend on how it is cut into batches, and a
 * restored sampler goes on exactly where the saved one stood. Holds 4 bytes a row.
 */
export class IndexSampler {
  readonly #options: SamplerOptions;
  #epoch = 0;
  #position = 0;
  #order: Uint32Array | undefined;

  /** @throws {RangeError} when length or seed is out of range */
  constructor(options: SamplerOptions) {
    const { length, seed } = options;
    if (!Number.isInteger(length) || length < 1 || length >= 2 ** 32)
      throw new RangeError(`[IndexSampler] length: expected 1 to 2^32 - 1 rows, got ${length}`);
    if (!Number.isSafeInteger(seed) || seed < 0)
      throw new RangeError(`[IndexSampler] seed: expected a safe integer of 0 or more, got ${seed}`);
    this.#options = options;
  }

  /** Of the rows given out last, from 0. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * The next `size` row indices, all of one epoch; fewer at an epoch's end when the last batch is kept.
   * @throws {RangeError} when size is below 1, or above the number of rows where the last batch is dropped
   */
  next(size: number): Uint32Array {
    const { length, dropLast } = this.#options;
    if (!Number.isInteger(size) || size < 1 || (dropLast && size > length))
      throw new RangeError(`[IndexSampler.next] size: expected 1 to the ${length} rows of the data set, got ${size}`);
    const left = length - this.#position;
    if (left === 0 || (dropLast && left < size)) {
      this.#epoch += 1;
      this.#position = 0;
      this.#order = undefined;
    }
    this.#order ??= this.#permutation();
    const batch = this.#order.slice(this.#position, this.#position + size);
    this.#position += batch.length;
    return batch;
  }

  state(): SamplerState {
    const { length, seed } = this.#options;
    return { length, seed, epoch: this.#epoch, position: this.#position };
  }

  /** @throws {RangeError} when the state is of another data set or seed, or impossible */
  restore(state: SamplerState): void {
    const { length, seed } = this.#options;
    if (state.length !== length || state.seed !== seed)
      throw new RangeError(`[IndexSampler.restore] expected the state of ${length} rows and seed ${seed}, got ${state.length} rows and seed ${state.seed}`); // prettier-ignore
    if (!isCount(state.epoch, 2 ** 32 - 1) || !isCount(state.position, length))
      throw new RangeError(`[IndexSampler.restore] impossible epoch ${state.epoch} or position ${state.position}`);
    this.#epoch = state.epoch;
    this.#position = state.position;
    this.#order = undefined;
  }

  /** Fisher-Yates over the epoch's own random stream. */
  #permutation(): Uint32Array {
    const { length, seed, shuffle } = this.#options;
    const order = Uint32Array.from({ length }, (_, index) => index);
    if (!shuffle) return order;
    const random = new PhiloxStream(seed, [shufflePurpose, this.#epoch]);
    for (let last = length - 1; last > 0; last -= 1) {
      const other = random.below(last + 1);
      [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
    }
    return order;
  }
}

const isCount = (value: number, max: number) => Number.isInteger(value) && value >= 0 && value <= max;
