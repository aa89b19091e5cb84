// The live part of the page: one stream of events a browser tab. `run` says how a run is now, `rows` what it got; the id
// of each says up to which row the reader is, so that a stream that was cut goes on there.
import { setTimeout as sleep } from "node:timers/promises";
import type { SSEStreamingApi } from "hono/streaming";
import type { RowsEvent } from "./api.ts";
import type { WatchedRun } from "./watched-run.ts";

const lookMs = 250;
/** A comment from time to time keeps proxies from closing the stream, and finds readers that are gone. */
const keepAliveMs = 15_000;
const maxRowsAnEvent = 200;
/** A reader that is further behind asks for the curves anew. */
const maxRowsBehind = 5000;

interface Place {
  readonly generation: string;
  readonly row: number;
}

/** `<generation>.<rows>` of each run, in order; undefined for anything else. */
export function parseEventId(id: string | undefined): Place[] | undefined {
  if (id === undefined || id.length > 10_000 || !/^[\da-f]{8}\.\d{1,12}(?:,[\da-f]{8}\.\d{1,12})*$/u.test(id))
    return undefined;
  return id.split(",").map((part) => ({ generation: part.slice(0, 8), row: Number(part.slice(9)) }));
}

/** Tells one reader about the runs until it goes. */
export async function sendEvents(
  stream: SSEStreamingApi,
  runs: readonly WatchedRun[],
  lastEventId: string | undefined,
): Promise<void> {
  const reader = new Reader(stream, runs, parseEventId(lastEventId));
  let quietSinceMs = performance.now();
  while (!stream.aborted && !stream.closed) {
    if (await reader.tell()) quietSinceMs = performance.now();
    else if (performance.now() - quietSinceMs > keepAliveMs) {
      await stream.write(": still here\n\n");
      quietSinceMs = performance.now();
    }
    await sleep(lookMs);
  }
}

class Reader {
  readonly #stream: SSEStreamingApi;
  readonly #runs: readonly WatchedRun[];
  readonly #places: Place[];
  readonly #told: string[] = [];

  constructor(stream: SSEStreamingApi, runs: readonly WatchedRun[], places: readonly Place[] | undefined) {
    this.#stream = stream;
    this.#runs = runs;
    const known = places?.length === runs.length ? places : undefined;
    this.#places = runs.map(({ generation, store }, index) => known?.[index] ?? { generation, row: store.numRows });
  }

  /** Whether there was anything to tell. */
  async tell(): Promise<boolean> {
    let told = false;
    for (const [index, run] of this.#runs.entries()) {
      const hadRows = await this.#tellRows(run, index);
      const summary = JSON.stringify(run.summary());
      if (summary !== this.#told[index]) {
        this.#told[index] = summary;
        await this.#send("run", summary);
        told = true;
      }
      told ||= hadRows;
    }
    return told;
  }

  async #tellRows(run: WatchedRun, index: number): Promise<boolean> {
    const { generation, store } = run;
    const place = this.#places[index];
    const isBehind = place?.generation !== generation || place.row > store.numRows || store.numRows - place.row > maxRowsBehind; // prettier-ignore
    if (isBehind) {
      this.#places[index] = { generation, row: store.numRows };
      await this.#send("anew", JSON.stringify({ run: run.id }));
      return true;
    }
    const rows = store.rows(place.row, maxRowsAnEvent);
    if (rows.length === 0) return false;
    const event: RowsEvent = { run: run.id, generation, first: place.row, rows };
    this.#places[index] = { generation, row: place.row + rows.length };
    await this.#send("rows", JSON.stringify(event));
    return true;
  }

  async #send(event: string, data: string): Promise<void> {
    const id = this.#places.map(({ generation, row }) => `${generation}.${row}`).join(",");
    await this.#stream.writeSSE({ event, data, id });
  }
}
