// A run's metrics by column: a million rows are one array of numbers a metric.
import { type Series, downsample } from "./downsample.ts";

/** One step's numbers, as metrics.jsonl has them. */
export interface MetricsRow {
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

const maxMetrics = 1000;
const maxNameLength = 200;

/** Numbers that can only be added to. */
class Column {
  #values = new Float64Array(64);
  length = 0;

  /** The rows before this one have none. */
  set(row: number, value: number): void {
    if (row >= this.#values.length) {
      const larger = new Float64Array(Math.max(row + 1, 2 * this.#values.length));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.fill(Number.NaN, this.length, row);
    this.#values[row] = value;
    this.length = row + 1;
  }

  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}

export class MetricStore {
  readonly #steps = new Column();
  readonly #columns = new Map<string, Column>();
  readonly #nonFinite = new Map<string, number>();
  /** Lines that are no step's metrics, and those of a step before the last one. */
  numBadLines = 0;
  numEarlier = 0;
  /** Metrics beyond those that are kept. */
  numDropped = 0;

  get numRows(): number {
    return this.#steps.length;
  }

  /** Undefined without rows. */
  get lastStep(): number | undefined {
    return this.#steps.values.at(-1);
  }

  get names(): string[] {
    return [...this.#columns.keys()];
  }

  /** How many values of a metric were not finite: null in the file. */
  numNonFinite(name: string): number {
    return this.#nonFinite.get(name) ?? 0;
  }

  /** Adds a line of metrics.jsonl; what is none is counted. */
  addLine(line: string): void {
    const fields = parse(line);
    if (fields === undefined) {
      this.numBadLines += 1;
      return;
    }
    if (fields.step < (this.lastStep ?? Number.NEGATIVE_INFINITY)) {
      this.numEarlier += 1;
      return;
    }
    const row = this.numRows;
    this.#steps.set(row, fields.step);
    for (const [name, value] of Object.entries(fields)) {
      if (name === "step") continue;
      if (Number.isFinite(value)) this.#column(name)?.set(row, value as number);
      else if (value === null) this.#nonFinite.set(name, this.numNonFinite(name) + 1);
    }
  }

  /** A metric over the steps from `from` to `to`, in about so many points; undefined for one that is not there. */
  series(name: string, range: { readonly from: number; readonly to: number; readonly points: number }): Series {
    const values = this.#columns.get(name)?.values ?? new Float64Array(0);
    return downsample(this.#steps.values.subarray(0, values.length), values, range);
  }

  /** Rows from one on. */
  rows(first: number, limit: number): MetricsRow[] {
    const last = Math.min(this.numRows, first + limit);
    return Array.from({ length: Math.max(0, last - first) }, (_, index) => this.#row(first + index));
  }

  #row(row: number): MetricsRow {
    const values: Record<string, number> = {};
    for (const [name, column] of this.#columns) {
      const value = column.values[row];
      if (value !== undefined && !Number.isNaN(value)) values[name] = value;
    }
    return { step: this.#steps.values[row] ?? 0, values };
  }

  #column(name: string): Column | undefined {
    const known = this.#columns.get(name);
    if (known) return known;
    if (this.#columns.size >= maxMetrics || name.length > maxNameLength) {
      this.numDropped += 1;
      return undefined;
    }
    const column = new Column();
    this.#columns.set(name, column);
    return column;
  }
}

function parse(line: string): { readonly step: number; readonly [name: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isRow = typeof value === "object" && value !== null && "step" in value && Number.isSafeInteger(value.step);
    return isRow ? (value as { step: number }) : undefined;
  } catch {
    return undefined;
  }
}
