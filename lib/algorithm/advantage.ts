// Advantages: one number per response from the rewards of a rollout batch. Where KL penalties inside the response make
// them differ from token to token (REINFORCE++ with the KL in the reward), native/rl/reinforce_plus_plus.h has them.
import type { AlgorithmConfig } from "../config/schema.ts";

export type AdvantageEstimator = AlgorithmConfig["advantage"];

/** What the estimators read of one prompt's responses. */
export interface RewardedResponses {
  /** [n] overall rewards. */
  readonly rewards: readonly number[];
  /** [n] response lengths in tokens. */
  readonly lengths: readonly number[];
  /** Reward of the greedy response to the same prompt; ReMax needs it. */
  readonly greedyReward?: number;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function needGroup(rewards: readonly number[], name: string): void {
  if (rewards.length < 2) throw new RangeError(`[${name}] needs 2 or more rewards, got ${rewards.length}`);
}

/**
 * Advantage of each response over its group: (reward - group mean) / (group std + eps), with the sample std (n - 1).
 * @param rewards [n] rewards of the responses to one prompt; n >= 2
 * @throws {RangeError} when n < 2: a group of one has no baseline
 */
export function groupAdvantages(rewards: readonly number[], eps = 1e-6): number[] {
  const centred = centredAdvantages(rewards);
  const std = Math.sqrt(sum(centred.map((value) => value * value)) / (rewards.length - 1));
  return centred.map((value) => value / (std + eps));
}

/**
 * Reward minus group mean, not divided by anything: Dr.GRPO (arXiv 2503.20783).
 * @throws {RangeError} when there are fewer than 2 rewards
 */
export function centredAdvantages(rewards: readonly number[]): number[] {
  needGroup(rewards, "centredAdvantages");
  const mean = sum(rewards) / rewards.length;
  return rewards.map((reward) => reward - mean);
}

/**
 * Reward minus the mean of the other rewards of the group: RLOO.
 * @throws {RangeError} when there are fewer than 2 rewards
 */
export function leaveOneOutAdvantages(rewards: readonly number[]): number[] {
  needGroup(rewards, "leaveOneOutAdvantages");
  const total = sum(rewards);
  return rewards.map((reward) => reward - (total - reward) / (rewards.length - 1));
}

/** Mean and sample variance of values that stand for `counts` equal ones each; one value alone has variance 0. */
export function weightedMoments(
  values: readonly number[],
  counts: readonly number[],
): { readonly mean: number; readonly variance: number } {
  const total = sum(counts);
  if (total === 0) return { mean: 0, variance: 0 };
  const count = (index: number): number => counts[index] ?? 0;
  const mean = sum(values.map((value, index) => value * count(index))) / total;
  const squares = sum(values.map((value, index) => (value - mean) ** 2 * count(index)));
  return { mean, variance: squares / Math.max(total - 1, 1) };
}

/** (value - mean) / sqrt(variance + 1e-8), with the moments of weightedMoments. */
export function whiten(values: readonly number[], counts: readonly number[]): number[] {
  const { mean, variance } = weightedMoments(values, counts);
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return values.map((value) => (value - mean) * scale);
}

/** A function of all groups: REINFORCE++ whitens rewards over every token of the rollout batch. */
function reinforcePlusPlus(groups: readonly RewardedResponses[]): number[][] {
  const whitened = whiten(
    groups.flatMap((group) => group.rewards),
    groups.flatMap((group) => group.lengths),
  );
  let begin = 0;
  return groups.map(({ rewards }) => whitened.slice(begin, (begin += rewards.length)));
}

function remax({ rewards, greedyReward }: RewardedResponses): number[] {
  if (greedyReward === undefined) throw new RangeError("[advantages] remax needs the greedy response's reward");
  return rewards.map((reward) => reward - greedyReward);
}

/**
 * Advantages of a rollout batch, grouped as it is. DAPO's are GRPO's.
 * @throws {RangeError} when a group is smaller than the estimator needs, or ReMax misses the greedy reward
 */
export function advantages(estimator: AdvantageEstimator, groups: readonly RewardedResponses[]): number[][] {
  switch (estimator) {
    case "grpo":
    case "dapo":
      return groups.map(({ rewards }) => groupAdvantages(rewards));
    case "dr_grpo":
      return groups.map(({ rewards }) => centredAdvantages(rewards));
    case "rloo":
      return groups.map(({ rewards }) => leaveOneOutAdvantages(rewards));
    case "remax":
      return groups.map(remax);
    case "reinforce_plus_plus":
      return reinforcePlusPlus(groups);
  }
}
