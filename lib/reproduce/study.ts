// What it takes to train and evaluate the runs of a scale: miniature-study.ts and paper-study.ts.
import type { RunConfig } from "../config/schema.ts";
import type { Benchmark } from "../eval/benchmarks/benchmark.ts";
import type { LocalEngineOptions } from "../eval/benchmarks/local-engine.ts";
import type { EvaluationSettings } from "../eval/benchmarks/settings.ts";
import type { ResponseClass } from "../miniature/classify.ts";
import type { NeededRun, Scale } from "../tables/runs.ts";

/** A run that a recipe describes. */
export type TrainableRun = NeededRun & { readonly recipe: string };

/** What stands in a run's settings in place of paths, so that they are the same on every machine. */
export interface Sources {
  readonly model: unknown;
  readonly train: unknown;
}

export interface EvaluationPlan {
  readonly benchmarks: readonly Benchmark[];
  readonly settings: EvaluationSettings;
  readonly engine: Pick<LocalEngineOptions, "device" | "threads">;
}

/** Says what went wrong in a response to the row with this id. */
export type Classifier = (id: string, text: string) => ResponseClass;

export interface Study {
  readonly scale: Scale;
  /** Whether a finished run's checkpoint stays where it is. */
  readonly keepsModels: boolean;
  /**
   * @param work folder of what a run needs on the way; the run folder is `run` in it
   * @throws {ConfigError}
   */
  configOf(run: TrainableRun, seed: number, work: string): RunConfig;
  sourcesOf(run: TrainableRun, config: RunConfig): Promise<Sources>;
  /** Planned training steps. */
  stepsOf(run: TrainableRun): number;
  /** Makes what the run's configuration names and is not there yet. */
  prepare(config: RunConfig, work: string, signal: AbortSignal | undefined): Promise<void>;
  /** @param config of the run whose last checkpoint is evaluated */
  evaluationOf(config: RunConfig): EvaluationPlan;
  /** Undefined where only people can say. */
  classifierOf(plan: EvaluationPlan): Classifier | undefined;
}
