// How many rows were unusable, which, and when that is too many.
import { DataError } from "../errors.ts";

/** Rows seen before the share is judged, so that one bad row at the start does not stop a run. */
const minSeenToJudge = 100;
const maxReports = 20;

/** Counts unusable rows of a data set. One counter serves filtering, decoding and training. */
export class SkipCounter {
  seen = 0;
  skipped = 0;
  readonly #name: string;
  readonly #maxShare: number;
  readonly #reports: string[] = [];

  /**
   * @param name the data set, for the error
   * @param maxShare in [0, 1]: more skipped rows than this share of those seen stop the run
   */
  constructor(name: string, maxShare: number) {
    if (!(maxShare >= 0 && maxShare <= 1))
      throw new RangeError(`[SkipCounter] maxShare: expected a number from 0 to 1, got ${maxShare}`);
    this.#name = name;
    this.#maxShare = maxShare;
  }

  /** `file:row: reason` of the first 20 skipped rows. */
  get reports(): readonly string[] {
    return this.#reports;
  }

  /** Counts a usable row. */
  accept(): void {
    this.seen += 1;
  }

  /** Counts an unusable row; says whether it is among the reports. @throws {DataError} when they have become too many */
  skip(reason: DataError): boolean {
    this.seen += 1;
    this.skipped += 1;
    const isReported = this.#reports.length < maxReports;
    if (isReported) this.#reports.push(reason.message);
    if (this.seen >= minSeenToJudge) this.judge();
    return isReported;
  }

  /** Judges the share whatever the number of rows: for the end of a pass. @throws {DataError} when it is too high */
  judge(): void {
    if (this.skipped <= this.#maxShare * this.seen) return;
    const share = `${this.skipped} of ${this.seen} rows are unusable, more than maxSkippedShare ${this.#maxShare}`;
    throw new DataError(this.#name, undefined, `${share}; first: ${this.#reports.slice(0, 3).join("; ")}`);
  }
}
