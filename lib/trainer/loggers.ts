// Where a step's metrics go. A logger that fails or hangs is dropped with one warning; metrics.jsonl, which a resumed run
// and all tables rely on, stops the run instead.
import type { RunConfig } from "../config/schema.ts";
import type { StepMetrics } from "../types.ts";
import type { RunFolder } from "./run-folder.ts";
import type { RunOutcome } from "./run-outcome.ts";
import type { StepTable } from "./step-table.ts";
import { type LoggedPicture, TensorBoardWriter } from "./tensorboard.ts";

/** What loggers need of a run folder. */
export type LogTargets = Pick<RunFolder, "dir" | "record" | "metrics" | "tensorboardDir" | "resumeFrom">;

/** Takes metrics; one that throws is dropped with one warning and does not stop the run. */
export interface Logger {
  /** For the warning. */
  readonly name: string;
  /** Its failure stops the run, and it may take its time. */
  readonly required?: boolean;
  logStep(step: number, metrics: StepMetrics): void | Promise<void>;
  /** A text such as some responses of a validation. */
  logText?(step: number, tag: string, text: string): void | Promise<void>;
  logImage?(step: number, tag: string, picture: LoggedPicture): void | Promise<void>;
  /** The values behind a mean. */
  logHistogram?(step: number, tag: string, values: readonly number[]): void | Promise<void>;
  close?(outcome: RunOutcome): void | Promise<void>;
}

/** The longest that a logger may hold up a step, or the end of the run. */
const limitMs = 10_000;

export class LoggerSet implements AsyncDisposable {
  #active: readonly Logger[];
  readonly #warn: (text: string) => void;
  readonly #limitMs: number;
  #imagesFailed = false;

  /**
   * @param warn gets one line for each logger that fails
   * @param callLimitMs a logger that takes longer in one call has failed
   */
  constructor(loggers: readonly Logger[], warn: (text: string) => void, callLimitMs = limitMs) {
    this.#active = loggers;
    this.#warn = warn;
    this.#limitMs = callLimitMs;
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

  async logHistogram(step: number, tag: string, values: readonly number[]): Promise<void> {
    await this.#each((logger) => logger.logHistogram?.(step, tag, values));
  }

  /** @param make is called when a logger takes pictures; its failure is warned of once */
  async logImage(step: number, tag: string, make: () => Promise<LoggedPicture>): Promise<void> {
    if (!this.#active.some((logger) => "logImage" in logger)) return;
    const picture = await make().catch((error: unknown) => {
      if (!this.#imagesFailed) this.#warn(`a picture could not be logged: ${(error as Error).message}`);
      this.#imagesFailed = true;
    });
    if (picture) await this.#each((logger) => logger.logImage?.(step, tag, picture));
  }

  /** Closes all loggers, each once. */
  async close(outcome: RunOutcome): Promise<void> {
    await this.#each((logger) => logger.close?.(outcome));
    this.#active = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close("failed");
  }

  async #each(act: (logger: Logger) => void | Promise<void>): Promise<void> {
    for (const logger of this.#active) {
      try {
        const done = act(logger);
        await (logger.required === true ? done : within(this.#limitMs, done));
      } catch (error) {
        if (logger.required === true) throw error;
        this.#active = this.#active.filter((other) => other !== logger);
        this.#warn(`logger ${logger.name} failed and is off from here on: ${(error as Error).message}`);
      }
    }
  }
}

/** @throws {Error} when `work` takes longer */
async function within(ms: number, work: void | Promise<void>): Promise<void> {
  if (!work) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${ms / 1000} s`));
    }, ms);
  });
  await Promise.race([work, late]).finally(() => {
    clearTimeout(timer);
  });
}

/** The loggers of a run (trainer.loggers); one that cannot start is left out with a warning. */
export async function createLoggers(
  config: RunConfig,
  run: LogTargets,
  table: StepTable,
  say: (line: string) => void,
): Promise<LoggerSet> {
  const loggers: Logger[] = [];
  for (const name of config.trainer.loggers) {
    try {
      loggers.push(await makers[name](config, run, { table, say }));
    } catch (error) {
      say(`logger ${name} could not start: ${(error as Error).message}`);
    }
  }
  return new LoggerSet(loggers, say);
}

interface Surroundings {
  readonly table: StepTable;
  readonly say: (line: string) => void;
}

type Maker = (config: RunConfig, run: LogTargets, around: Surroundings) => Logger | Promise<Logger>;

const makers: Readonly<Record<RunConfig["trainer"]["loggers"][number], Maker>> = {
  console: (_config, _run, { table }) => ({
    name: "console",
    logStep: (step, metrics) => {
      table.print(step, metrics);
    },
  }),
  jsonl: (_config, { metrics: file }) => ({
    name: "jsonl",
    required: true,
    logStep: (step, metrics) => file.append(step, metrics),
  }),
  tensorboard: async (_config, { tensorboardDir, resumeFrom }) => {
    const writer = await TensorBoardWriter.create(tensorboardDir, resumeFrom?.step);
    return {
      name: "tensorboard",
      logStep: (step, metrics) => writer.addScalars(step, metrics),
      logText: (step, tag, text) => writer.addText(step, tag, text),
      logImage: (step, tag, picture) => writer.addImage(step, tag, picture),
      logHistogram: (step, tag, values) => writer.addHistogram(step, tag, values),
      close: () => writer[Symbol.asyncDispose](),
    };
  },
  mlflow: async (config, run, { say }) => {
    const { MlflowLogger } = await import("../trackers/mlflow-logger.ts");
    const { mlflowSettings } = await import("../trackers/mlflow-settings.ts");
    return new MlflowLogger(mlflowSettings(config.trainer.mlflow), config, run, { say });
  },
  prometheus: async (config, _run, { say }) => {
    const { PrometheusLogger } = await import("../trackers/prometheus-logger.ts");
    const logger = await PrometheusLogger.start(config.trainer.prometheus, config.trainer.experimentName);
    say(`metrics for Prometheus: ${logger.url}`);
    return logger;
  },
};
