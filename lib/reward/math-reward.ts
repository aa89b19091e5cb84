import { setImmediate } from "node:timers/promises";
import type { Reward } from "../types.ts";
import type { AnswerGrader } from "./answer-grader.ts";
import { formatReward, tightenTags } from "./format.ts";
import { lastBoxed } from "./grader/boxed.ts";
import type { RewardCounters, RewardItem, Scorer } from "./reward.ts";

// A few milliseconds of work between two looks at the abort signal and at other events.
const itemsPerTurn = 32;

/** Options of the published math reward. */
export interface MathRewardOptions {
  /** Weight of the format part in [0, 1]; accuracy has the rest. */
  readonly formatWeight: number;
  /** See formatReward. */
  readonly thinking: boolean;
  /** What a missing box is graded as: the published code's "None" equals a ground truth "None". Default: wrong. */
  readonly missingBox?: string;
}

/**
 * overall = (1 - formatWeight) * accuracy + formatWeight * format, each part 0 or 1; accuracy is that of the last boxed
 * answer.
 * Differs: a response without a box is wrong, whatever the ground truth.
 * Source: EasyR1 reward_function/math.py, compute_score.
 */
export class MathScorer implements Scorer {
  private readonly grader: AnswerGrader;
  private readonly options: MathRewardOptions;
  private unboxed = 0;

  /** @param grader closed with the scorer */
  constructor(grader: AnswerGrader, options: MathRewardOptions) {
    this.grader = grader;
    this.options = options;
  }

  get counters(): RewardCounters {
    return { unboxed: this.unboxed, symbolicSkipped: this.grader.overLimit };
  }

  async score(items: readonly RewardItem[], signal?: AbortSignal): Promise<Reward[]> {
    const rewards: Reward[] = [];
    while (rewards.length < items.length) {
      await setImmediate();
      signal?.throwIfAborted();
      const turn = items.slice(rewards.length, rewards.length + itemsPerTurn);
      rewards.push(...(await Promise.all(turn.map((item) => this.reward(item, signal)))));
    }
    return rewards;
  }

  close(): Promise<void> {
    return this.grader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async reward(item: RewardItem, signal: AbortSignal | undefined): Promise<Reward> {
    const { formatWeight, thinking, missingBox } = this.options;
    const response = tightenTags(item.response);
    const format = formatReward(response, thinking);
    const boxed = lastBoxed(response);
    if (boxed === undefined) this.unboxed += 1;
    const given = boxed ?? missingBox;
    const accuracy = given !== undefined && (await this.grader.grade(given, item.answer, signal)) ? 1 : 0;
    return { overall: (1 - formatWeight) * accuracy + formatWeight * format, format, accuracy };
  }
}
