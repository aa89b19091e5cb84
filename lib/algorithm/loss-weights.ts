// The weight that each token of a response has in an average. Fixed for the whole optimizer batch before it is cut, so
// that sums over micro-batches, however packed, are that average.
import type { AlgorithmConfig } from "../config/schema.ts";

export type Averaging = AlgorithmConfig["lossAvgMode"];

/** Responses of one optimizer batch in rollout order: prompt by prompt, each with its n responses. */
export interface AveragedBatch {
  /** Response lengths in tokens; 0 is allowed. */
  readonly lengths: readonly number[];
  /** Responses a micro-batch of `reference`. */
  readonly microBatchSize: number;
  /** Tokens; the divisor of `dr_grpo`. */
  readonly maxResponseLength: number;
}

/** A share of nothing is nothing: no token carries it. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** [start, end) of each micro-batch of the published code. */
export function referenceMicroBatches(numResponses: number, microBatchSize: number): [number, number][] {
  if (microBatchSize < 1) throw new RangeError(`[lossWeights] microBatchSize: expected >= 1, got ${microBatchSize}`);
  const count = Math.ceil(numResponses / microBatchSize);
  return Array.from({ length: count }, (_, index) => [
    index * microBatchSize,
    Math.min((index + 1) * microBatchSize, numResponses),
  ]);
}

/** 1 / (micro-batches * selected tokens of the micro-batch), for each selected response; 0 for the others. */
export function microBatchTokenWeights(
  { lengths, microBatchSize }: AveragedBatch,
  selected: (index: number) => boolean = () => true,
): Float64Array {
  const weights = new Float64Array(lengths.length);
  const cuts = referenceMicroBatches(lengths.length, microBatchSize);
  for (const [start, end] of cuts) {
    const counts = lengths.slice(start, end).map((length, index) => (selected(start + index) ? length : 0));
    const tokens = counts.reduce((total, count) => total + count, 0);
    counts.forEach((count, index) => {
      weights[start + index] = count === 0 ? 0 : 1 / (cuts.length * tokens);
    });
  }
  return weights;
}

/** 1 / (selected tokens of the batch), for each selected response; 0 for the others. */
export function tokenWeights(
  { lengths }: AveragedBatch,
  selected: (index: number) => boolean = () => true,
): Float64Array {
  const tokens = lengths.reduce((total, length, index) => total + (selected(index) ? length : 0), 0);
  return Float64Array.from(lengths, (_, index) => (selected(index) ? share(1, tokens) : 0));
}

/**
 * Weight of each token of response i, [n].
 * `token`: mean over the batch's tokens; `seq`: mean of the responses' means; `reference`: mean over micro-batches of
 * microBatchSize responses of their token means, as the published code averages; `dr_grpo`: sum over
 * (responses * maxResponseLength).
 */
export function lossWeights(mode: Averaging, batch: AveragedBatch): Float64Array {
  const numResponses = batch.lengths.length;
  switch (mode) {
    case "token":
      return tokenWeights(batch);
    case "seq":
      return Float64Array.from(batch.lengths, (length) => share(1, numResponses * length));
    case "reference":
      return microBatchTokenWeights(batch);
    case "dr_grpo":
      return new Float64Array(numResponses).fill(share(1, numResponses * batch.maxResponseLength));
  }
}
