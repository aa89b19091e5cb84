// The curves that charts draw: asked for once, then continued by what the event stream brings.
import type { RowsEvent, SeriesData } from "../api.ts";
import { askSeries } from "./server.ts";
import { state } from "./state.ts";

export interface Curve {
  readonly steps: number[];
  readonly mean: number[];
  readonly min: number[];
  readonly max: number[];
}

interface Held {
  readonly generation: string;
  /** Rows of the run that the curve has. */
  numRows: number;
  readonly curve: Curve;
}

/** Points a curve is asked for with; with so many again from the stream it is asked for anew. */
const points = 500;

export class Curves {
  readonly #held = new Map<string, Held>();
  readonly #asked = new Set<string>();
  readonly #onChange: (run: number) => void;
  /** Counts up when all is forgotten, so that late replies are too. */
  #epoch = 0;

  /** @param onChange is told of a run whose curves are others now */
  constructor(onChange: (run: number) => void) {
    this.#onChange = onChange;
  }

  get(run: number, metric: string): Curve | undefined {
    return this.#held.get(keyOf(run, metric))?.curve;
  }

  /** Asks for those that are not there. */
  async ensure(run: number, metrics: readonly string[]): Promise<void> {
    const missing = metrics.filter((metric) => {
      const key = keyOf(run, metric);
      return !this.#held.has(key) && !this.#asked.has(key);
    });
    if (missing.length === 0) return;
    const epoch = this.#epoch;
    for (const metric of missing) this.#asked.add(keyOf(run, metric));
    const reply = await askSeries(run, missing, { range: state.look.range, points }).catch(() => undefined);
    if (epoch === this.#epoch) {
      for (const metric of missing) this.#asked.delete(keyOf(run, metric));
      if (!reply) return; // asked again with the next change: the server may be away
      const { generation, numRows, series } = reply;
      for (const metric of missing) this.#held.set(keyOf(run, metric), { generation, numRows, curve: copy(series[metric]) }); // prettier-ignore
    }
    this.#onChange(run);
  }

  /** Goes on with rows of the stream; a curve that they do not continue is forgotten, and asked for again. */
  add({ run, generation, first, rows }: RowsEvent): void {
    for (const [key, held] of this.#held) {
      if (!key.startsWith(`${run}:`)) continue;
      const metric = key.slice(key.indexOf(":") + 1);
      const isContinued =
        held.generation === generation && first <= held.numRows && held.curve.steps.length < 2 * points;
      if (!isContinued) {
        this.#held.delete(key);
        continue;
      }
      for (const { step, values } of rows.slice(held.numRows - first)) push(held.curve, step, values[metric]);
      held.numRows = Math.max(held.numRows, first + rows.length);
    }
    this.#onChange(run);
  }

  /** @param run undefined: of all */
  forget(run?: number): void {
    this.#epoch += 1;
    this.#asked.clear();
    for (const key of this.#held.keys()) if (run === undefined || key.startsWith(`${run}:`)) this.#held.delete(key);
    for (const { id } of state.runs) if (run === undefined || id === run) this.#onChange(id);
  }
}

function keyOf(run: number, metric: string): string {
  return `${run}:${metric}`;
}

function copy(series: SeriesData | undefined): Curve {
  const { steps = [], mean = [], min = [], max = [] } = series ?? {};
  return { steps: [...steps], mean: [...mean], min: [...min], max: [...max] };
}

function push({ steps, mean, min, max }: Curve, step: number, value: number | undefined): void {
  const { range } = state.look;
  if (value === undefined || (range && (step < range.from || step > range.to))) return;
  steps.push(step);
  for (const column of [mean, min, max]) column.push(value);
}
