// Follows the metrics.jsonl of a run that another process writes.
import { metricsFile } from "../trainer/run-folder.ts";
import type { StepMetrics } from "../types.ts";
import { LineTail } from "./line-tail.ts";

/** A line of metrics.jsonl; null stands for a number that is not finite. */
export type LoggedStep = Readonly<Record<keyof StepMetrics, number | null>> & { readonly step: number };

export interface NewSteps {
  readonly steps: readonly LoggedStep[];
  /** `steps` are all of the file, and earlier ones no longer count: a resumed run has replaced it. */
  readonly restarted: boolean;
}

export class MetricsTail {
  #steps: LoggedStep[] = [];
  #restarted = false;
  readonly #lines: LineTail;

  /** @param dir the run folder */
  constructor(dir: string) {
    this.#lines = new LineTail(dir, metricsFile, {
      line: (text) => void this.#steps.push(...parseStep(text)),
      restart: () => {
        this.#steps = [];
        this.#restarted = true;
      },
    });
  }

  /** What came since the last call. A file that is not there is empty. Lines that are no steps are passed over. */
  async read(): Promise<NewSteps> {
    await this.#lines.poll();
    const read = { steps: this.#steps, restarted: this.#restarted };
    this.#steps = [];
    this.#restarted = false;
    return read;
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
