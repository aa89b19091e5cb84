// Follows a metrics.jsonl that another process writes: gives the whole lines that are new, and starts over when a resumed
// run has replaced the file.
import { open, stat } from "node:fs/promises";
import type { StepMetrics } from "../types.ts";

/** A line of metrics.jsonl; null stands for a number that is not finite. */
export type LoggedStep = Readonly<Record<keyof StepMetrics, number | null>> & { readonly step: number };

const chunkBytes = 1 << 20;

export class MetricsTail {
  readonly #path: string;
  #inode = 0;
  #offset = 0;
  /** Of a line that is not whole yet. */
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The steps since the last call; `restarted` when they are all of the file and earlier ones no longer count.
   * A file that is not there is empty. Lines that are no steps are passed over.
   */
  async read(): Promise<{ steps: LoggedStep[]; restarted: boolean }> {
    const info = await stat(this.#path).catch(() => undefined);
    const isSame = info?.ino === this.#inode && info.size >= this.#offset;
    const restarted = !isSame && this.#offset > 0;
    if (!isSame) [this.#inode, this.#offset, this.#rest] = [info?.ino ?? 0, 0, Buffer.alloc(0)];
    if (!info || info.size === this.#offset) return { steps: [], restarted };
    return { steps: await this.#readLines(), restarted };
  }

  async #readLines(): Promise<LoggedStep[]> {
    const steps: LoggedStep[] = [];
    const handle = await open(this.#path).catch(() => undefined); // removed meanwhile
    if (!handle) return steps;
    try {
      const chunk = Buffer.alloc(chunkBytes);
      for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, chunkBytes, this.#offset);
        if (bytesRead === 0) return steps;
        this.#offset += bytesRead;
        const bytes = Buffer.concat([this.#rest, chunk.subarray(0, bytesRead)]);
        const end = bytes.lastIndexOf(10) + 1;
        this.#rest = Buffer.from(bytes.subarray(end));
        steps.push(...bytes.toString("utf8", 0, end).split("\n").flatMap(parseStep));
      }
    } finally {
      await handle.close();
    }
  }
}

function parseStep(line: string): LoggedStep[] {
  try {
    const value = JSON.parse(line) as LoggedStep | null;
    return value !== null && Number.isSafeInteger(value.step) ? [value] : [];
  } catch {
    return [];
  }
}
