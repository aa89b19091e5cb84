// A long series in few points: the range of steps is cut into equal parts, of each of which least, mean and most remain.

/** Points of equal index belong together; where there are few enough values, each is its own point. */
export interface Series {
  /** Strictly increasing where the steps are. */
  readonly steps: number[];
  readonly mean: number[];
  readonly min: number[];
  readonly max: number[];
  /** Values that the points stand for. */
  readonly count: number;
}

export interface SeriesRange {
  /** First and last step. */
  readonly from: number;
  readonly to: number;
  /** The most points. */
  readonly points: number;
}

/**
 * @param steps in order
 * @param values one a step; NaN for none
 */
export function downsample(steps: Float64Array, values: Float64Array, range: SeriesRange): Series {
  const first = firstAtLeast(steps, range.from);
  const end = firstAtLeast(steps, range.to, true);
  let count = 0;
  for (let row = first; row < end; row += 1) if (!Number.isNaN(values[row])) count += 1;
  const low = steps[first] ?? 0;
  const width = count <= range.points ? 0 : ((steps[end - 1] ?? low) - low) / range.points;
  const parts = new Parts();
  for (let row = first; row < end; row += 1) {
    const [step = 0, value = Number.NaN] = [steps[row], values[row]];
    if (Number.isNaN(value)) continue;
    const part = width > 0 ? Math.min(range.points - 1, Math.floor((step - low) / width)) : row;
    parts.add(part, step, value);
  }
  return parts.series(count);
}

class Parts {
  readonly #steps: number[] = [];
  readonly #mean: number[] = [];
  readonly #min: number[] = [];
  readonly #max: number[] = [];
  #part = -1;
  #size = 0;
  #stepSum = 0;
  #sum = 0;
  #least = 0;
  #most = 0;

  add(part: number, step: number, value: number): void {
    if (part !== this.#part) {
      this.#close();
      this.#part = part;
      [this.#size, this.#stepSum, this.#sum, this.#least, this.#most] = [0, 0, 0, value, value];
    }
    this.#size += 1;
    this.#stepSum += step;
    this.#sum += value;
    this.#least = Math.min(this.#least, value);
    this.#most = Math.max(this.#most, value);
  }

  series(count: number): Series {
    this.#close();
    this.#size = 0;
    return { steps: this.#steps, mean: this.#mean, min: this.#min, max: this.#max, count };
  }

  #close(): void {
    if (this.#size === 0) return;
    // Rounded down it stays behind every step of the part before.
    this.#steps.push(this.#size === 1 ? this.#stepSum : Math.floor(this.#stepSum / this.#size));
    this.#mean.push(this.#size === 1 ? this.#sum : this.#sum / this.#size);
    this.#min.push(this.#least);
    this.#max.push(this.#most);
  }
}

/** Index of the first step that is at least `bound`, or beyond it when `past`. */
function firstAtLeast(steps: Float64Array, bound: number, past = false): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const step = steps[middle] ?? 0;
    if (step < bound || (past && step === bound)) low = middle + 1;
    else high = middle;
  }
  return low;
}
