// Everything the objective needs to know of each response, as one number a response; the tokens stay native.
import type { RunConfig } from "../config/schema.ts";
import { RewardError } from "../errors.ts";
import type { ResponseWeights } from "../native/binding.ts";
import type { Reward } from "../types.ts";
import { type AveragedBatch, lossWeights, microBatchTokenWeights, tokenWeights } from "./loss-weights.ts";

/** Responses of one optimizer batch in rollout order: prompt by prompt, each with its n responses. */
export interface OptimizerBatch {
  readonly rewards: readonly Reward[];
  /** Tokens. */
  readonly lengths: readonly number[];
  /** Absent when they differ from token to token and are kept natively. */
  readonly advantages?: readonly number[];
}

/**
 * Whether a response counts as correct: accuracy > 0.1, as published.
 * @throws {RewardError} when the reward has no `accuracy` part
 */
export function isCorrect(reward: Reward): boolean {
  const accuracy = reward["accuracy"];
  if (accuracy === undefined) {
    throw new RewardError("reward.accuracy: klPrcp.applyMode and sft need this part, but the reward module gave none");
  }
  return accuracy > 0.1;
}

/** [n] factor of each response's perception KL. */
export function perceptionWeights(
  { applyMode, incorrectWeighting }: RunConfig["algorithm"]["klPrcp"],
  rewards: readonly Reward[],
): Float64Array {
  switch (applyMode) {
    case "all":
      return new Float64Array(rewards.length).fill(1);
    case "correct":
      return Float64Array.from(rewards, (reward) => (isCorrect(reward) ? 1 : 0));
    case "incorrect":
      return Float64Array.from(rewards, (reward) => (isCorrect(reward) ? 0 : 1));
    case "weighted":
      return Float64Array.from(rewards, (reward) => (isCorrect(reward) ? 1 : incorrectWeighting));
  }
}

/** `compat: reference` takes token means per micro-batch; otherwise they are over the optimizer batch. */
function tokenMean(config: Pick<RunConfig, "compat">): typeof tokenWeights {
  return config.compat === "reference" ? microBatchTokenWeights : tokenWeights;
}

/** GSPO's policy term is a mean over responses whatever algorithm.lossAvgMode says of the others. */
function pgWeights({ algorithm }: Pick<RunConfig, "algorithm">, batch: AveragedBatch): Partial<ResponseWeights> {
  return algorithm.policyLoss === "gspo" ? { pgWeights: lossWeights("seq", batch) } : {};
}

function sftWeights(config: RunConfig, batch: AveragedBatch, rewards: readonly Reward[]): Partial<ResponseWeights> {
  if (config.algorithm.sft.coef === 0) return {};
  const correct = rewards.map(isCorrect);
  return { sftWeights: tokenMean(config)(batch, (index) => correct[index] === true) };
}

/**
 * The objective's weights of an optimizer batch.
 * @throws {RangeError} when the lists differ in length
 * @throws {RewardError} when a term needs an `accuracy` part that the rewards lack
 */
export function responseWeights(config: RunConfig, { rewards, lengths, advantages }: OptimizerBatch): ResponseWeights {
  const counts = [rewards.length, lengths.length, advantages?.length ?? lengths.length];
  if (new Set(counts).size > 1) {
    throw new RangeError(
      `[responseWeights] rewards, lengths, advantages: expected equal counts, got ${counts.join(", ")}`,
    );
  }
  const { algorithm } = config;
  const batch: AveragedBatch = {
    lengths,
    microBatchSize: config.optim.microBatchSize,
    maxResponseLength: config.data.maxResponseLength,
  };
  return {
    ...(advantages === undefined ? {} : { advantages: Float64Array.from(advantages) }),
    lossWeights: lossWeights(algorithm.lossAvgMode, batch),
    tokenWeights: tokenMean(config)(batch),
    ...pgWeights(config, batch),
    ...(algorithm.klPrcp.enabled ? { prcpWeights: perceptionWeights(algorithm.klPrcp, rewards) } : {}),
    ...sftWeights(config, batch, rewards),
  };
}
