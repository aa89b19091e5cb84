// metrics.jsonl: one line a step, `{"step": 3, "reward/overall": 0.5, ...}`; validation before training is step 0.
// alarms.jsonl is kept the same way, with as many lines a step as there are alarms.
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { StepMetrics } from "../types.ts";
import { diskError, temporaryPrefix } from "./durable-file.ts";

export class MetricsFile implements AsyncDisposable {
  readonly #path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /**
   * Opens the file for appending.
   * @param resumedStep lines of later steps and a last line that was cut off are removed; undefined: all are kept
   */
  static async open(path: string, resumedStep?: number): Promise<MetricsFile> {
    try {
      if (resumedStep !== undefined && existsSync(path)) await keepUntil(path, resumedStep);
      return new MetricsFile(path, await open(path, "a"));
    } catch (error) {
      throw diskError(dirname(path), error);
    }
  }

  /**
   * Adds a line. Numbers that are not finite become null. The line is with the system when this returns, so a killed
   * process loses nothing; `sync` makes it survive a power cut.
   * @throws {CheckpointError} when the disk is full
   */
  async append(step: number, values: object): Promise<void> {
    try {
      await this.#handle.appendFile(`${JSON.stringify({ step, ...values })}\n`);
    } catch (error) {
      throw diskError(this.#path, error);
    }
  }

  /** Forces all lines to the disk: before each checkpoint, which a resumed run continues from. */
  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** Lines of a metrics file that are whole, in order; a line cut off by a kill is left out. */
export async function* readMetrics(path: string): AsyncGenerator<{ step: number; line: string; metrics: StepMetrics }> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const metrics = parseLine(line);
    if (metrics) yield { step: metrics.step, line, metrics };
  }
}

function parseLine(line: string): (StepMetrics & { step: number }) | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isStep = typeof value === "object" && value !== null && "step" in value && Number.isSafeInteger(value.step);
    return isStep ? (value as StepMetrics & { step: number }) : undefined;
  } catch {
    return undefined;
  }
}

async function keepUntil(path: string, resumedStep: number): Promise<void> {
  const temporary = join(dirname(path), `${temporaryPrefix}${basename(path)}`);
  try {
    await pipeline(
      Readable.from(readMetrics(path)),
      async function* (lines: AsyncIterable<{ step: number; line: string }>) {
        for await (const { step, line } of lines) if (step <= resumedStep) yield `${line}\n`;
      },
      createWriteStream(temporary, { flush: true }),
    );
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
