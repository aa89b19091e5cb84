// The loop around the steps: validates, logs, writes checkpoints, and saves what is whole when something stops it.
// What a step is and what a run holds open belong to run.ts and sft.ts.
import type { RunConfig } from "../config/schema.ts";
import type { AlarmLine } from "../guard/guard.ts";
import { alarmWords } from "../guard/words.ts";
import type { StepMetrics } from "../types.ts";
import { type BestScore, checkpointBytes, fillCheckpoint, takeState, type TrainerState } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint-store.ts";
import type { LoopParts } from "./loop-parts.ts";
import type { RunFolder } from "./run-folder.ts";
import { outcomeOf, type RunOutcome } from "./run-outcome.ts";
import { type SampledGroup, samplesText, writeSamples } from "./samples.ts";
import { showStep } from "./show-step.ts";

export interface TrainResult {
  readonly runDir: string;
  /** Of the last checkpoint; empty when there is none. */
  readonly checkpointDir: string;
  readonly numSteps: number;
  readonly best: BestScore | null;
  /** Last ones that were logged; empty when none were. */
  readonly metrics: StepMetrics;
  /** Those that the run folder holds, by ascending step. */
  readonly checkpoints: readonly Checkpoint[];
}

export class RunLoop {
  readonly #config: RunConfig;
  readonly #folder: RunFolder;
  readonly #parts: LoopParts;
  readonly #say: (line: string) => void;
  #state: TrainerState;
  /** 0: none. */
  #savedStep: number;
  /** Of the last attempt to save, whatever came of it. */
  #lastTriedStep = 0;
  /** What the checkpoint before the next line of metrics took; that line is written before its own step's checkpoint. */
  #saveSeconds: number | undefined;
  #metrics: StepMetrics = {};

  /** @param say takes one line of news */
  constructor(config: RunConfig, folder: RunFolder, parts: LoopParts, say: (line: string) => void) {
    this.#config = config;
    this.#folder = folder;
    this.#parts = parts;
    this.#say = say;
    this.#state = parts.state;
    this.#savedStep = folder.resumeFrom?.step ?? 0;
  }

  async run(signal: AbortSignal | undefined): Promise<TrainResult> {
    try {
      const result = await this.#run(signal);
      await this.#end("finished");
      return result;
    } catch (error) {
      await this.#end(outcomeOf(error, signal), error);
      throw error;
    }
  }

  async #end(outcome: RunOutcome, error?: unknown): Promise<void> {
    const { loggers, totalSteps } = this.#parts;
    const reason = error instanceof Error ? { message: error.message.slice(0, 1000) } : {};
    await this.#folder
      .writeStatus({ state: outcome, step: this.#state.step, totalSteps, ...reason })
      .catch(() => undefined); // a full disk must not hide what ended the run
    await loggers.close(outcome);
  }

  async #run(signal: AbortSignal | undefined): Promise<TrainResult> {
    const { trainer } = this.#config;
    await this.#folder.writeRecord();
    const { step } = this.#state;
    await this.#folder.writeStatus({ state: "running", step, totalSteps: this.#parts.totalSteps });
    if (trainer.valOnly || (step === 0 && trainer.valBeforeTrain)) await this.#log(step, {}, true);
    if (!trainer.valOnly) {
      try {
        if (this.#state.unlogged) await this.#finishStep(this.#state.unlogged);
        for (let step = this.#state.step + 1; step <= this.#parts.totalSteps; step += 1) await this.#step(step, signal);
      } catch (error) {
        await this.#saveAfterFailure();
        throw error;
      }
    }
    const { checkpoints } = await this.#folder.checkpoints.list();
    return {
      runDir: this.#folder.dir,
      checkpointDir: checkpoints.at(-1)?.dir ?? "",
      numSteps: this.#state.step,
      best: this.#state.best,
      metrics: this.#metrics,
      checkpoints,
    };
  }

  async #step(step: number, signal: AbortSignal | undefined): Promise<void> {
    const trained = await this.#parts.stepper.step(step, signal);
    const { metrics: own, samples } = trained;
    const { metrics: watched = {}, lines = [] } = this.#parts.checkpoint.guard?.observe(step, own) ?? {};
    const metrics = { ...own, ...watched };
    this.#state = takeState(this.#parts.checkpoint, { step, best: this.#state.best, unlogged: metrics });
    for (const line of lines) await this.#writeAlarm(step, line);
    if (samples.length > 0) await writeSamples(this.#folder.samplesDir, step, samples);
    await showStep(this.#parts, step, trained);
    await this.#finishStep(metrics);
  }

  async #writeAlarm(step: number, line: AlarmLine): Promise<void> {
    await this.#folder.alarms.append(step, line);
    const words = alarmWords(step, line);
    if (words !== undefined) this.#say(words);
  }

  /**
   * Validates, logs and saves the newest step where that is due.
   * @throws {CollapseError} when the guard ends the run with it
   */
  async #finishStep(metrics: StepMetrics): Promise<void> {
    const { valFreq, saveFreq, saveBest } = this.#config.trainer;
    const { step } = this.#state;
    const isLast = step === this.#parts.totalSteps;
    await this.#log(step, metrics, isLast || (valFreq > 0 && step % valFreq === 0));
    this.#state = { ...this.#state, unlogged: null };
    const isBest = saveBest && this.#state.best?.step === step;
    const isSavedUnlogged = this.#savedStep === step; // resuming from it again would log the step twice
    if (isLast || isBest || isSavedUnlogged || (saveFreq > 0 && step % saveFreq === 0)) await this.#save();
    const collapse = this.#parts.checkpoint.guard?.stopAfter(step);
    if (collapse && !isLast) throw collapse;
  }

  /** Logs before any checkpoint of the step: a resumed run keeps the lines up to its checkpoint. */
  async #log(step: number, metrics: StepMetrics, validates: boolean): Promise<void> {
    const startMs = performance.now();
    const validation = validates ? await this.#parts.validate?.(step) : undefined;
    if (validation) {
      const { best } = this.#state;
      const { score } = validation;
      // Step 0 has no checkpoint that could be the best one.
      if (step > 0 && (best === null || score > best.score)) this.#state = { ...this.#state, best: { step, score } };
      await this.#writeGenerations(step, validation.samples);
      const seconds = (performance.now() - startMs) / 1000;
      metrics = { ...metrics, ...validation.metrics, "timing_s/validation": seconds };
    }
    if (this.#saveSeconds !== undefined) {
      metrics = { ...metrics, "timing_s/save_checkpoint": this.#saveSeconds };
      this.#saveSeconds = undefined;
    }
    if (Object.keys(metrics).length === 0) return;
    this.#metrics = metrics;
    await this.#parts.loggers.logStep(step, metrics);
  }

  async #writeGenerations(step: number, samples: readonly SampledGroup[]): Promise<void> {
    if (samples.length === 0) return;
    await writeSamples(this.#folder.samplesDir, step, samples, "val-");
    await this.#parts.loggers.logText(step, "val/generations", samplesText(samples));
  }

  async #save(): Promise<void> {
    const { trainer, model } = this.#config;
    const state = this.#state;
    const startMs = performance.now();
    const options = { dtype: model.dtype, modelOnly: trainer.saveModelOnly };
    this.#lastTriedStep = state.step;
    await this.#folder.writeCheckpoint(
      state.step,
      (dir) => fillCheckpoint(dir, this.#parts.checkpoint, state, options),
      { expectedBytes: checkpointBytes(this.#parts.checkpoint, options) },
    );
    this.#savedStep = state.step;
    this.#saveSeconds = (performance.now() - startMs) / 1000;
    const bestStep = trainer.saveBest ? state.best?.step : undefined;
    await this.#folder.checkpoints.prune({ saveLimit: trainer.saveLimit, bestStep });
  }

  /** Whole steps that no checkpoint has yet are saved, unless the failure came in the middle of an update. */
  async #saveAfterFailure(): Promise<void> {
    const { step, unlogged } = this.#state;
    if (step <= this.#savedStep || step === this.#lastTriedStep) return;
    if (this.#parts.stepper.isMidUpdate) {
      this.#say(this.#lossText(step));
      return;
    }
    const { saveModelOnly } = this.#config.trainer;
    if (saveModelOnly && unlogged) await this.#parts.loggers.logStep(step, unlogged); // no resumed run will
    await this.#save();
    this.#say(`saved step ${step}${saveModelOnly ? "" : "; go on with --resume"}`);
  }

  /** Weights that have moved within a step cannot be those of the step before. */
  #lossText(step: number): string {
    const first = this.#savedStep + 1;
    const lost = first === step ? `step ${step} is` : `steps ${first} to ${step} are`;
    const newest =
      this.#savedStep === 0 ? "there is no checkpoint" : `the newest checkpoint is of step ${this.#savedStep}`;
    return `stopped inside the update of step ${step + 1}: ${lost} lost; ${newest} (trainer.saveFreq sets how often)`;
  }
}
