// Symbolic comparisons on threads that are ended when one takes too long or too much memory.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Piscina } from "piscina";
import { packageRoot } from "../../native/load.ts";
import type { Comparison, ComparisonTask } from "./worker.ts";

/** JavaScript heap of a thread in MiB; a comparison needs a few. */
const maxOldGenerationSizeMb = 128;
/** Idle threads end after this many milliseconds. */
const idleTimeout = 10_000;
// Sampling and scoring have the other cores.
const maxThreads = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)));

export class ComparisonPool {
  private readonly timeoutMs: number;
  private pool: Piscina<ComparisonTask, boolean | undefined> | undefined;
  private free = maxThreads;
  private readonly waiting: (() => void)[] = [];

  /** @param timeoutMs longest time of one comparison */
  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /**
   * Whether the answers are equal; undefined when that took more than the time, memory or work allowed.
   * @throws the signal's reason when aborted
   */
  async compare(comparison: Comparison, signal?: AbortSignal): Promise<boolean | undefined> {
    await this.acquire();
    const begun = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const limit = new AbortController();
    const end = () => {
      limit.abort();
    };
    const timer = this.startWith(begun, end);
    // Not AbortSignal.any: what it makes stays with a signal that lives as long as the run.
    signal?.addEventListener("abort", end, { once: true });
    try {
      signal?.throwIfAborted();
      return await this.opened().run({ ...comparison, begun }, { signal: limit.signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (isOverLimit(error)) return undefined;
      throw error;
    } finally {
      timer.clear();
      signal?.removeEventListener("abort", end);
      this.release();
    }
  }

  async close(): Promise<void> {
    await this.pool?.destroy();
    this.pool = undefined;
  }

  /** The clock starts with the comparison: on a busy machine its thread may take seconds to come up. */
  private startWith(begun: Int32Array, end: () => void) {
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;
    void Promise.resolve(Atomics.waitAsync(begun, 0, 0).value).then(() => {
      if (!isOver) timer = setTimeout(end, this.timeoutMs);
    });
    return {
      clear: () => {
        isOver = true;
        clearTimeout(timer);
        // Whoever still waits need not.
        Atomics.store(begun, 0, 1);
        Atomics.notify(begun, 0);
      },
    };
  }

  private opened(): Piscina<ComparisonTask, boolean | undefined> {
    // The built file also where this one runs as TypeScript: threads take no loader along.
    const filename = join(packageRoot, "dist", "reward", "symbolic", "worker.js");
    this.pool ??= new Piscina({
      ...{ filename, minThreads: 1, maxThreads, idleTimeout, execArgv: [] },
      resourceLimits: { maxOldGenerationSizeMb },
    });
    return this.pool;
  }

  private async acquire(): Promise<void> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private release(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free += 1;
    else next();
  }
}

/** Out of time or of heap. */
function isOverLimit(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "AbortError" || (error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY";
}
