import { RewardError } from "../errors.ts";
import type { RewardedGroup } from "../types.ts";

/** Dynamic sampling's bounds on a group's mean reward. */
export interface FilterOptions {
  /** The reward part that is averaged: "accuracy" in the published recipes, or "overall". */
  readonly key: string;
  /** A group is kept when its mean is above this, ... */
  readonly low: number;
  /** ... and below this: 0.01 and 0.99 are published. */
  readonly high: number;
}

/**
 * The groups whose mean of one reward part lies strictly between the bounds, in order: a group that is all right or all
 * wrong has no advantage to learn from.
 * @throws {RewardError} when a reward lacks the part
 * Source: DAPO's dynamic sampling, PAPO ray_trainer.py (online filtering).
 */
export function keepInformative<G extends Pick<RewardedGroup, "rewards">>(
  groups: readonly G[],
  options: FilterOptions,
): G[] {
  return groups.filter((group) => {
    const mean = meanOfPart(group.rewards, options.key);
    return mean > options.low && mean < options.high;
  });
}

function meanOfPart(rewards: RewardedGroup["rewards"], part: string): number {
  let sum = 0;
  for (const reward of rewards) {
    const value = reward[part];
    if (value === undefined) {
      throw new RewardError(
        `algorithm.filter.key: expected one of the reward's parts ${Object.keys(reward).join(", ")}, got ${part}`,
      );
    }
    sum += value;
  }
  return sum / rewards.length;
}
