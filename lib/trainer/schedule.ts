import type { RunConfig } from "../config/schema.ts";

/**
 * Learning rate of a training step: a linear warm-up to optim.lr without a zero first step, then constant, or linear or
 * cosine from lr towards lr * minLrRatio, which they would reach one step after the last, so that no step is without a
 * rate. `compat: reference` restores the published warm-up, whose first step has rate 0 even without warm-up.
 * Source of linear and cosine: the schedulers of Hugging Face transformers, whose steps count from 0.
 * @param step 1-based
 * @throws {RangeError} when step < 1
 */
export function learningRate(config: Pick<RunConfig, "optim" | "compat">, step: number, totalSteps: number): number {
  if (step < 1) throw new RangeError(`[learningRate] step: expected 1 or more, got ${step}`);
  const { lr, warmupSteps, warmupRatio, schedule, minLrRatio } = config.optim;
  const warmup = warmupSteps ?? Math.floor(warmupRatio * totalSteps);
  if (config.compat === "reference" && step <= Math.max(1, warmup)) return (lr * (step - 1)) / Math.max(1, warmup);
  if (step <= warmup) return (lr * step) / warmup;
  if (schedule === "constant") return lr;
  const progress = Math.min(1, (step - 1 - warmup) / Math.max(1, totalSteps - warmup));
  const share = schedule === "linear" ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
  return lr * (minLrRatio + (1 - minLrRatio) * share);
}

/**
 * Training steps of a run: trainer.maxSteps, else trainer.totalEpochs passes over `numRows` rows, of which each epoch
 * leaves out an incomplete last batch.
 * Source: the reference's ray_trainer.py (training_steps).
 */
export function totalSteps({ trainer, data, algorithm }: RunConfig, numRows: number): number {
  if (trainer.maxSteps !== null) return trainer.maxSteps;
  const { rolloutBatchSize, miniRolloutBatchSize } = data;
  const perEpoch = algorithm.filter.enabled
    ? Math.floor((Math.floor(numRows / miniRolloutBatchSize) * miniRolloutBatchSize) / rolloutBatchSize)
    : Math.floor(numRows / rolloutBatchSize);
  return perEpoch * trainer.totalEpochs;
}
