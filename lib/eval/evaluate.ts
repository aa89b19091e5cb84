// avg@n of a policy over a data set: n responses to every row, their rewards, means over rows.
import type { Dataset } from "../data/dataset.ts";
import type { SkipCounter } from "../data/skips.ts";
import type { Processor } from "../processor/processor.ts";
import type { Scorer } from "../reward/reward.ts";
import { scoreGroups } from "../reward/score-groups.ts";
import type { Rollout, RolloutOptions } from "../rollout/rollout.ts";
import { ResponseLengths } from "../trainer/response-lengths.ts";
import type { RewardedGroup } from "../types.ts";
import { PromptBatches, type PromptBatchOptions } from "./prompt-batches.ts";

export interface EvaluateParts {
  readonly dataset: Dataset;
  readonly processor: Processor;
  readonly rollout: Rollout;
  readonly scorer: Scorer;
}

export interface EvaluateOptions extends PromptBatchOptions, Pick<RolloutOptions, "sampling" | "purpose" | "step"> {
  /** Responses finished, of all, and about how many tokens this pass has sampled. */
  readonly progress?: (done: number, total: number, numTokens: number) => void;
  /** Called with each batch's groups before they are released. */
  readonly onGroups?: (groups: readonly RewardedGroup[]) => void | Promise<void>;
}

export interface EvalResult {
  /** Rows evaluated. */
  readonly numExamples: number;
  /** Responses a row. */
  readonly n: number;
  /** Mean of each reward part over the responses that have it; every row has n responses, so this is avg@n. */
  readonly average: Readonly<Record<string, number>>;
  /** In tokens, of every response. */
  readonly responseLengths: readonly number[];
  /** Rows that turned out unusable in this pass. */
  readonly skips: SkipCounter;
}

/**
 * Evaluates the rows in order. A row that cannot be read is skipped and counted.
 * @throws {DataError} when too many rows are unusable, or all
 */
export async function evaluate(parts: EvaluateParts, options: EvaluateOptions): Promise<EvalResult> {
  const { dataset, processor, rollout, scorer } = parts;
  const { n } = options.sampling;
  const batches = new PromptBatches(dataset, processor, options);
  const sums = new Map<string, { sum: number; count: number }>();
  const responseLengths: number[] = [];
  const lengths = new ResponseLengths();
  let numExamples = 0;
  for await (const { first, prompts } of batches) {
    const groups = await rollout.generate(prompts, {
      ...options,
      progress: (done) =>
        options.progress?.(first * n + done, dataset.length * n, lengths.numTokens + lengths.estimate(done)),
    });
    const rewarded = await scoreGroups(scorer, groups, options.signal);
    await options.onGroups?.(rewarded);
    numExamples += rewarded.length;
    lengths.add(rewarded);
    for (const { rewards, responses } of rewarded) {
      responseLengths.push(...responses.map(({ ids }) => ids.length));
      for (const reward of rewards) {
        for (const [part, value] of Object.entries(reward)) {
          const { sum, count } = sums.get(part) ?? { sum: 0, count: 0 };
          sums.set(part, { sum: sum + value, count: count + 1 });
        }
      }
    }
  }
  const average = Object.fromEntries([...sums].map(([part, { sum, count }]) => [part, sum / count]));
  return { numExamples, n, average, responseLengths, skips: batches.skips };
}
