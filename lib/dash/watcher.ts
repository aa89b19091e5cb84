// All runs of a dashboard, each read again and again.
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { WatchedRun } from "./watched-run.ts";

const defaultIntervalMs = 500;

export class Watcher implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #loops: readonly Promise<void>[];

  /**
   * @param warn gets one line for each new kind of failure
   * @param intervalMs between two readings; a timer's, which no clock that is set moves
   */
  constructor(runs: readonly WatchedRun[], warn: (line: string) => void, intervalMs = defaultIntervalMs) {
    setMaxListeners(runs.length, this.#stop.signal); // each loop sleeps with it
    this.#loops = runs.map((run) => this.#watch(run, warn, intervalMs));
  }

  /** What is being read is not waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.race([Promise.all(this.#loops), sleep(100)]);
  }

  async #watch(run: WatchedRun, warn: (line: string) => void, intervalMs: number): Promise<void> {
    const { signal } = this.#stop;
    const told = new Set<string>();
    while (!signal.aborted) {
      await run.refresh().catch((error: unknown) => {
        const { message } = error as Error;
        if (!told.has(message)) warn(`${run.folder}: ${message}`);
        told.add(message);
      });
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
