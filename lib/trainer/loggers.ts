// Where a step's metrics go. A logger that fails is dropped with one warning; metrics.jsonl, which a resumed run and
// all tables rely on, stops the run instead.
import type { StepMetrics } from "../types.ts";
import type { RunFolder } from "./run-folder.ts";
import type { StepTable } from "./step-table.ts";
import { TensorBoardWriter } from "./tensorboard.ts";

/** Takes metrics; one that throws is dropped with one warning and does not stop the run. */
export interface Logger {
  /** For the warning. */
  readonly name: string;
  /** Its failure stops the run. */
  readonly required?: boolean;
  logStep(step: number, metrics: StepMetrics): void | Promise<void>;
  /** A text such as some responses of a validation. */
  logText?(step: number, tag: string, text: string): void | Promise<void>;
  close?(): void | Promise<void>;
}

/** What loggers need of a run folder. */
export type LogTargets = Pick<RunFolder, "metrics" | "tensorboardDir" | "resumeFrom">;

export type LoggerName = "console" | "jsonl" | "tensorboard";

export class LoggerSet implements AsyncDisposable {
  #active: readonly Logger[];
  readonly #warn: (text: string) => void;

  /** @param warn gets one line for each logger that fails */
  constructor(loggers: readonly Logger[], warn: (text: string) => void) {
    this.#active = loggers;
    this.#warn = warn;
  }

  add(logger: Logger): void {
    this.#active = [...this.#active, logger];
  }

  async logStep(step: number, metrics: StepMetrics): Promise<void> {
    await this.#each((logger) => logger.logStep(step, metrics));
  }

  async logText(step: number, tag: string, text: string): Promise<void> {
    await this.#each((logger) => logger.logText?.(step, tag, text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#each((logger) => logger.close?.());
    this.#active = [];
  }

  async #each(act: (logger: Logger) => void | Promise<void>): Promise<void> {
    for (const logger of this.#active) {
      try {
        await act(logger);
      } catch (error) {
        if (logger.required === true) throw error;
        this.#active = this.#active.filter((other) => other !== logger);
        this.#warn(`logger ${logger.name} failed and is off from here on: ${(error as Error).message}`);
      }
    }
  }
}

/** The loggers of a run by name; one that cannot start is left out with a warning. */
export async function createLoggers(
  names: readonly LoggerName[],
  run: LogTargets,
  table: StepTable,
  warn: (text: string) => void,
): Promise<LoggerSet> {
  const loggers: Logger[] = [];
  for (const name of names) {
    try {
      loggers.push(await createLogger(name, run, table));
    } catch (error) {
      warn(`logger ${name} could not start: ${(error as Error).message}`);
    }
  }
  return new LoggerSet(loggers, warn);
}

async function createLogger(name: LoggerName, run: LogTargets, table: StepTable): Promise<Logger> {
  if (name === "jsonl") {
    return { name, required: true, logStep: (step, metrics) => run.metrics.append(step, metrics) };
  }
  if (name === "console") {
    return {
      name,
      logStep: (step, metrics) => {
        table.print(step, metrics);
      },
    };
  }
  const writer = await TensorBoardWriter.create(run.tensorboardDir, run.resumeFrom?.step);
  return {
    name,
    logStep: (step, metrics) => writer.addScalars(step, metrics),
    logText: (step, tag, text) => writer.addText(step, tag, text),
    close: () => writer[Symbol.asyncDispose](),
  };
}
