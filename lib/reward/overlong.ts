import type { Reward } from "../types.ts";
import type { RewardCounters, RewardItem, Scorer } from "./reward.ts";

/** Soft punishment of responses that come near the length limit. */
export interface OverlongOptions {
  /** Longest response L, in tokens. */
  readonly maxLength: number;
  /** The last c tokens before L, over which the penalty grows from 0 to 1; 1 to L. */
  readonly cacheLength: number;
}

/** clamp((length - (L - c)) / c, 0, 1). Source: DAPO paper (arXiv 2503.14476), soft overlong punishment. */
export function overlongPenalty(responseLength: number, { maxLength, cacheLength }: OverlongOptions): number {
  return Math.min(Math.max((responseLength - (maxLength - cacheLength)) / cacheLength, 0), 1);
}

/** Takes the penalty off another scorer's `overall` and adds it as the part `overlong`. */
export class OverlongScorer implements Scorer {
  private readonly scorer: Scorer;
  private readonly options: OverlongOptions;

  constructor(scorer: Scorer, options: OverlongOptions) {
    this.scorer = scorer;
    this.options = options;
  }

  get counters(): Readonly<RewardCounters> {
    return this.scorer.counters;
  }

  async score(items: readonly RewardItem[], signal?: AbortSignal): Promise<Reward[]> {
    const rewards = await this.scorer.score(items, signal);
    return rewards.map((reward, index) => {
      const overlong = overlongPenalty(items[index]?.responseLength ?? 0, this.options);
      return { ...reward, overall: reward.overall - overlong, overlong };
    });
  }

  close(): Promise<void> {
    return this.scorer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
