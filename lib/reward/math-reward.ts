import { setImmediate } from "node:timers/promises";
import type { Reward } from "../types.ts";
import { gradeResponse } from "./accuracy.ts";
import { formatReward, tightenTags } from "./format.ts";
import type { RewardCounters, RewardItem, Scorer } from "./reward.ts";

// A few milliseconds of work between two looks at the abort signal and at other events.
const itemsPerTurn = 32;

/** Options of the published math reward. */
export interface MathRewardOptions {
  /** Weight of the format part in [0, 1]; accuracy has the rest. */
  readonly formatWeight: number;
  /** See formatReward. */
  readonly thinking: boolean;
  /** What a missing box is graded as; see gradeResponse. */
  readonly missingBox?: string;
}

/**
 * overall = (1 - formatWeight) * accuracy + formatWeight * format, each part 0 or 1. Time is linear in the response.
 * Source: EasyR1 reward_function/math.py, compute_score.
 */
export class MathScorer implements Scorer {
  readonly counters: RewardCounters = { unboxed: 0, symbolicSkipped: 0 };
  private readonly options: MathRewardOptions;

  constructor(options: MathRewardOptions) {
    this.options = options;
  }

  async score(items: readonly RewardItem[], signal?: AbortSignal): Promise<Reward[]> {
    const rewards: Reward[] = [];
    for (const [index, item] of items.entries()) {
      if (index % itemsPerTurn === 0) await setImmediate();
      signal?.throwIfAborted();
      rewards.push(this.reward(item));
    }
    return rewards;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private reward(item: RewardItem): Reward {
    const { formatWeight, thinking, missingBox } = this.options;
    const response = tightenTags(item.response);
    const format = formatReward(response, thinking);
    const { accuracy, unboxed, symbolic } = gradeResponse(response, item.answer, missingBox);
    if (unboxed) this.counters.unboxed += 1;
    if (symbolic.length > 0) this.counters.symbolicSkipped += 1;
    return { overall: (1 - formatWeight) * accuracy + formatWeight * format, format, accuracy };
  }
}
